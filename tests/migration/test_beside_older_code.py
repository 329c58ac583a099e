"""An upgrade beside a process that runs the code of an earlier schema: the code is that of the commit, not a likeness."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
from conftest import ROOT, program

from checkpoint_store import CheckpointStore, StoreInUse, migration_status
from checkpoint_store.model.store_file import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children

COMMITS: Final = {"1.1": "1c6a042^", "1.2": "39abf56"}
"""The last commit before open stores shared a lock, and the last one of each later schema."""
TOTAL: Final = 40

OLDER = program(__file__, "older_code")
UPGRADE = program(__file__, "upgrade_and_stop")


@pytest.fixture(scope="module")
def code_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a folder with the code of an earlier schema: the first program that imports it compiles it for the others."""

    def make(version: str) -> Path:
        folder = tmp_path_factory.mktemp("frozen")
        kept = subprocess.run(
            ["git", "archive", COMMITS[version], "checkpoint_store", "migrations"],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        if kept.returncode:
            pytest.skip(f"needs the history of the repository: {kept.stderr.decode().strip()}")
        subprocess.run(["tar", "-x", "-C", folder], input=kept.stdout, check=True)
        return folder

    return cache(make)


@pytest.fixture(params=[version for version in COMMITS if version != SCHEMA_VERSION])
def version(request: pytest.FixtureRequest, tmp_path: Path, code_of: Callable[[str], Path]) -> str:
    """An earlier schema, with the code of its commit in the folder ``frozen``."""
    (tmp_path / "frozen").symlink_to(code_of(request.param))
    return str(request.param)


def start_older(children: Children, version: str, *words: object) -> subprocess.Popen[str]:
    """Start a program of the older code, whose interpreter has not imported the code of today."""
    return children.start(OLDER, version, *words, fresh=True)


def begin(children: Children, version: str, journal: str = "WAL") -> None:
    """Let the older code make a store in which nothing is done yet."""
    children.run(OLDER, version, "begin", 60, journal, fresh=True)


@pytest.mark.slow
def test_an_upgrade_is_refused_while_the_older_code_is_at_work(
    tmp_path: Path, children: Children, version: str
) -> None:
    """The error names the process; it finishes its work on its schema, and the next open upgrades what it left."""
    begin(children, version)
    worker = start_older(children, version, "work", 60, "WAL")
    assert [children.next_line(worker) for _ in range(6)] == list("012345")
    with pytest.raises(StoreInUse, match=f"process {worker.pid} has it open; end it first") as caught:
        CheckpointStore(tmp_path / "talks.db", lock_timeout_seconds=0.1)
    assert caught.value.holders == (worker.pid,)
    assert migration_status(tmp_path / "talks.db").current == version
    assert len(children.finish(worker, "go\n").split()) == TOTAL - 6
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert list(store.jobs()[0].results()) == ["by the older code"] * TOTAL
    assert migration_status(tmp_path / "talks.db").current == SCHEMA_VERSION


@pytest.mark.slow
def test_an_upgrade_that_waits_goes_on_once_the_older_code_has_ended(children: Children, version: str) -> None:
    """Killed in the middle of its work: every chunk is paid for once, but for the one that it had in hand."""
    begin(children, version)
    worker = start_older(children, version, "work", 60, "WAL")
    done = [int(children.next_line(worker)) for _ in range(6)]
    upgrade = children.start(UPGRADE, "waits", 60)
    assert children.next_line(upgrade) == "waits"
    worker.kill()
    worker.wait()
    said = children.finish(upgrade, "go on\n" * 99).replace("waits\n", "")
    assert said == f"{list(range(done[-1], TOTAL))}\n"


@pytest.mark.slow
def test_the_older_code_does_not_get_in_before_the_commit(tmp_path: Path, children: Children, version: str) -> None:
    """Whoever connects after nobody was seen, and before the upgrade is alone, is noticed by SQLite's own lock."""
    begin(children, version)
    upgrade = children.start(UPGRADE, "before", 0)
    assert children.next_line(upgrade) == "before"
    older = start_older(children, version, "look", 0 if version == "1.1" else 60, "WAL")
    if version == "1.1":  # it knows nothing of our lock
        assert children.next_line(older) == "open 0"
        assert children.finish(upgrade, "go on\n") == f"StoreInUse ({older.pid},)\n"
        assert migration_status(tmp_path / "talks.db").current == version
        assert children.finish(older, "go on\n") == ""
    else:
        assert children.finish(upgrade, "go on\n") == f"{list(range(TOTAL))}\n"
        assert children.finish(older, "go on\n") == "SchemaTooNew\n"


@pytest.mark.slow
def test_the_older_code_is_kept_out_until_the_commit(children: Children, version: str) -> None:
    """Whoever comes while the upgrade is at work waits for it, and then refuses the newer schema."""
    begin(children, version)
    upgrade = children.start(UPGRADE, "alone", 0)
    assert children.next_line(upgrade) == "alone"
    assert children.run(OLDER, version, "look", 0.1, "WAL", fresh=True) in ("StoreBusy\n", "StorageUnavailableError\n")
    older = start_older(children, version, "look", 60, "WAL")
    assert children.finish(upgrade, "go on\n") == f"{list(range(TOTAL))}\n"
    assert children.finish(older, "go on\n") == "SchemaTooNew\n"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.1"], indirect=True)
def test_an_idle_process_with_a_rollback_journal_is_seen(
    tmp_path: Path, children: Children, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade waits for an idle process of the older version that only /proc shows, as on a network file system."""
    begin(children, version, "rollback journal")
    for module in ("pragmas", "open_lock"):
        name = f"checkpoint_store.storage.connection.{module}.journal_mode_for"
        monkeypatch.setattr(name, lambda path: "truncate")
    idle = start_older(children, version, "look", 0, "rollback journal")
    assert children.next_line(idle) == "open 0"
    with pytest.raises(StoreInUse, match=f"process {idle.pid} has it open"):
        CheckpointStore(tmp_path / "talks.db", lock_timeout_seconds=0.1)
    assert migration_status(tmp_path / "talks.db").current == version
    children.finish(idle, "go on\n")
    CheckpointStore(tmp_path / "talks.db").close()
    assert migration_status(tmp_path / "talks.db").current == SCHEMA_VERSION
