"""An upgrade beside a process that runs the code of an earlier schema: the code is that of the commit, not a likeness."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest
from conftest import ROOT, Children, program

from checkpoint_store import CheckpointStore, StoreInUse, migration_status
from checkpoint_store.model.store_file import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMITS: Final = {"1.1": "1c6a042^", "1.2": "39abf56"}
"""The last commit before open stores shared a lock, and the last one of each later schema."""
TOTAL: Final = 40

OLDER = program(__file__, "older_code")
UPGRADE = program(__file__, "upgrade_and_stop")


@pytest.fixture(params=[version for version in COMMITS if version != SCHEMA_VERSION])
def version(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An earlier schema, with the code of its commit in the folder ``frozen``."""
    return install(tmp_path, request.param)


def install(folder: Path, version: str) -> str:
    """Put the code of an earlier schema into the folder ``frozen``."""
    commit = COMMITS[version]
    kept = subprocess.run(
        ["git", "archive", commit, "checkpoint_store", "migrations"], cwd=ROOT, capture_output=True, check=False
    )
    if kept.returncode:
        pytest.skip(f"needs the history of the repository: {kept.stderr.decode().strip()}")
    (folder / "frozen").mkdir()
    subprocess.run(["tar", "-x", "-C", folder / "frozen"], input=kept.stdout, check=True)
    return version


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Programs without a server that has imported the code of today."""
    made = Children(tmp_path)
    yield made
    made.end_all()


def begin(children: Children, version: str) -> None:
    """Let the older code make a store in which nothing is done yet."""
    children.run(OLDER, version, "begin", 60, "WAL")


@pytest.mark.slow
def test_an_upgrade_is_refused_while_the_older_code_is_at_work(
    tmp_path: Path, children: Children, version: str
) -> None:
    """The error names the process; it finishes its work on its schema, and the next open upgrades what it left."""
    begin(children, version)
    worker = children.start(OLDER, version, "work", 60, "WAL")
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
    worker = children.start(OLDER, version, "work", 60, "WAL")
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
    older = children.start(OLDER, version, "look", 0 if version == "1.1" else 60, "WAL")
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
    assert children.run(OLDER, version, "look", 0.1, "WAL") in ("StoreBusy\n", "StorageUnavailableError\n")
    older = children.start(OLDER, version, "look", 60, "WAL")
    assert children.finish(upgrade, "go on\n") == f"{list(range(TOTAL))}\n"
    assert children.finish(older, "go on\n") == "SchemaTooNew\n"


@pytest.mark.slow
def test_an_idle_process_with_a_rollback_journal_is_seen(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade waits for an idle process of the older version that only /proc shows, as on a network file system."""
    version = install(tmp_path, "1.1")
    children.run(OLDER, version, "begin", 60, "rollback journal")
    for module in ("pragmas", "open_lock"):
        name = f"checkpoint_store.storage.connection.{module}.journal_mode_for"
        monkeypatch.setattr(name, lambda path: "truncate")
    idle = children.start(OLDER, version, "look", 0, "rollback journal")
    assert children.next_line(idle) == "open 0"
    with pytest.raises(StoreInUse, match=f"process {idle.pid} has it open"):
        CheckpointStore(tmp_path / "talks.db", lock_timeout_seconds=0.1)
    assert migration_status(tmp_path / "talks.db").current == version
    children.finish(idle, "go on\n")
    CheckpointStore(tmp_path / "talks.db").close()
    assert migration_status(tmp_path / "talks.db").current == SCHEMA_VERSION
