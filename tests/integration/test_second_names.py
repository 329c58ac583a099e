"""A store file that has two names is refused by every way in; a folder that has two names works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, program, snapshot

from checkpoint_store import (
    CheckpointStore,
    StateManager,
    StoreTargetError,
    doctor,
    migrate,
    migration_status,
    recover_store,
    restore_store,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A store of one job, ``one/talks.db``, and ``two/talks.db``, another name of its file."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with CheckpointStore(tmp_path / "one" / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(tmp_path / "copy.db")
    os.link(tmp_path / "one" / "talks.db", tmp_path / "two" / "talks.db")
    return tmp_path


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "open": lambda path, _: CheckpointStore(path),
    "open to read": lambda path, _: CheckpointStore(path, read_only=True),
    "open without a state file": lambda path, _: CheckpointStore(path, state_file=None),
    "open through a symlink": lambda path, folder: CheckpointStore(_symlink(folder, path)),
    "open through ..": lambda path, folder: CheckpointStore(folder / "one" / ".." / path.parent.name / path.name),
    "open as a URL": lambda path, _: CheckpointStore(f"sqlite:///{path}"),
    "manager": lambda path, _: StateManager(path.with_suffix(".json")).load(),
    "doctor": lambda path, _: doctor(path),
    "migrate": lambda path, _: migrate(path),
    "downgrade": lambda path, _: migrate(path, to="1.0"),
    "migration status": lambda path, _: migration_status(path),
    "recover": lambda path, _: recover_store(path, accept_loss=True),
    "restore to it": lambda path, folder: restore_store(folder / "copy.db", path),
    "restore from it": lambda path, folder: restore_store(path, folder / "new.db"),
}


def _symlink(folder: Path, path: Path) -> Path:
    link = folder / "link.db"
    link.symlink_to(path)
    return link


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_hard_link_is_refused_and_nothing_is_touched(
    linked: Path, way: Callable[[Path, Path], object], name: str
) -> None:
    """A store with a hard link is refused under both names, even for reading, with what helps."""
    before = snapshot(linked)
    with pytest.raises(StoreTargetError, match=r"2 names \(hard links\).* remove the other name .* open the copy"):
        way(linked / name / "talks.db", linked)
    (linked / "link.db").unlink(missing_ok=True)
    assert snapshot(linked) == before


def test_the_remedies_for_a_hard_link_work(linked: Path) -> None:
    """The copy holds everything; and once the other name is gone, the store goes on."""
    shutil.copyfile(linked / "two" / "talks.db", linked / "two" / "copy.db")
    (linked / "two" / "talks.db").unlink()
    for path in (linked / "two" / "copy.db", linked / "one" / "talks.db"):
        with CheckpointStore(path, state_file=None) as store:
            assert store.jobs()[0].result(0) == "paid for"


@pytest.mark.slow
@pytest.mark.parametrize("words", [["list"], ["show"], ["doctor"], ["check"], ["path"], ["backup", "new.db"]])
def test_the_command_refuses_a_hard_link(linked: Path, words: list[str]) -> None:
    """The command refuses a store with a hard link with exit 2, and touches nothing."""
    before = snapshot(linked)
    argv = [sys.executable, "-m", "checkpoint_store", *words, "--store", "two/talks.db"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=linked, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "2 names (hard links)" in done.stderr) == (2, True), done.stderr
    assert snapshot(linked) == before


@pytest.mark.slow
@pytest.mark.parametrize("words", [["current"], ["upgrade", "head"], ["downgrade", "1.0"]])
def test_alembic_refuses_a_hard_link(linked: Path, words: list[str]) -> None:
    """Alembic's own commands refuse a store with a hard link, as the library does."""
    before = snapshot(linked)
    argv = [sys.executable, "-m", "alembic", "-x", f"store={linked / 'two' / 'talks.db'}", *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "2 names (hard links)" in done.stderr) == (1, True), done.stderr
    assert snapshot(linked) == before


MOUNTED = program(__file__, "mount_names")


@pytest.mark.slow
@as_root
def test_a_bind_mounted_file_is_refused_and_a_mounted_folder_works(tmp_path: Path) -> None:
    """A store that is mounted as a single file, as by ``docker run -v``, is refused; a mounted folder works."""
    (tmp_path / "one").mkdir()
    argv = ["unshare", "-m", sys.executable, "-W", "error", str(MOUNTED)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


@pytest.mark.slow
@as_root
def test_no_live_file_is_replaced_by_the_name_of_a_mounted_folder(tmp_path: Path) -> None:
    """No export and no backup replaces the WAL, or a lock, of its own store by another name of a mounted folder."""
    (tmp_path / "one").mkdir()
    argv = ["unshare", "-m", sys.executable, "-W", "error", str(program(__file__, "mount_folder_twice"))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


@pytest.mark.slow
def test_a_folder_with_two_names_works(tmp_path: Path, children: Children) -> None:
    """Two processes that come by different names of the folder share the work, and nothing is done twice."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").symlink_to("one")
    said = children.together(2, program(__file__, "share_a_folder"))
    done = [int(index) for line in said for index in line.split()]
    assert sorted(done) == list(range(40))


@pytest.mark.slow
def test_the_links_that_the_library_makes_itself_refuse_nothing(tmp_path: Path) -> None:
    """The state file before becomes ``.bak`` by a link; backups and restored stores have one name."""
    for _ in range(3):
        with CheckpointStore(tmp_path / "talks.db") as store:
            job = store.open_job("talk.srt", total_chunks=2, fresh=True)
            job.complete(0, "x")
            job.export()
            store.backup(tmp_path / "copy.db")
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db")
        recover_store(tmp_path / "talks.db")
