"""Two users of one machine, and root: who may work on a store, and whose the files are afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from conftest import ROOT, Children, program, snapshot
from storms import disks

from checkpoint_store import CheckpointStore, StoreTargetError, doctor, migrate, recover_store, restore_store
from checkpoint_store.cli.run.outputs.log import OutputLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fork_server import ForkServer

pytestmark = pytest.mark.root

ANA, BO = 4001, 4002
"""Two users that no other file of the machine belongs to."""
WORK = program(__file__, "work_as_user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of Ana's that everybody may write in; one of pytest's cannot even be reached."""
    made = Path(tempfile.mkdtemp(prefix="checkpoint-store-test-"))
    os.chown(made, ANA, ANA)
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


class RunAs(Protocol):
    """Does something with a store as a user (0: root), and returns what is printed, warnings included."""

    def __call__(self, user: int, folder: Path, *todo: str) -> str: ...


@pytest.fixture
def run_as(fork_server: Callable[[], ForkServer]) -> Iterator[RunAs]:
    """Do something with a store as another user."""
    with ExitStack() as stack:

        def run(user: int, folder: Path, *todo: str) -> str:
            programs = Children(folder, fork_server)
            stack.callback(programs.end_all)
            return programs.run(WORK, *todo, user=user)

        yield run


@pytest.fixture
def store(folder: Path, run_as: RunAs) -> Path:
    """A store of Ana's, with a backup and a state file."""
    run_as(ANA, folder, "begin", "back up")
    shutil.copyfile(folder / "copy.db", folder / "talks.db.backup-1.2-0001")
    os.chown(folder / "talks.db.backup-1.2-0001", ANA, ANA)
    return folder / "talks.db"


def owners(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_uid for path in folder.iterdir()}


def test_what_root_makes_belongs_to_the_owner_of_the_store(store: Path, run_as: RunAs) -> None:
    """Worked on, exported, backed up, recovered, restored and migrated by root: the owner goes on with all of it."""
    folder = store.parent
    for end in (".json", ".bak", ".lock", ".open"):
        store.with_suffix(end).unlink(missing_ok=True)
    with CheckpointStore(store) as opened:
        job = opened.latest_job()
        assert job is not None
        chunk = next(iter(job.pending()))
        assert len(list(folder.glob("talks.db.runner-*"))) == 1
        assert set(owners(folder).values()) == {ANA}
        chunk.complete("by root")
        job.export(folder / "export.json")
        opened.backup(folder / "backup.db")
        assert set(owners(folder).values()) == {ANA}
    recover_store(store)
    restore_store(folder / "backup.db", store)
    migrate(store, to="1.1")
    migrate(store)
    doctor(store)
    assert len(list(folder.iterdir())) > 8
    assert set(owners(folder).values()) == {ANA}, owners(folder)
    assert run_as(ANA, folder, "go on") == "[0, 1, 2]\n"


def test_a_folder_without_write_permission_is_named(store: Path, run_as: RunAs) -> None:
    """A store needs files beside it: the error names the folder, and the open that reads all the same."""
    store.parent.chmod(0o555)
    os.chown(store.parent, 0, 0)
    message = f"give the permission to create files in {store.parent}, or open it with read_only=True to read"
    assert message in run_as(ANA, store.parent, "go on")
    assert run_as(ANA, store.parent, "read") == "paid for\n"


def test_what_root_left_in_an_earlier_version_is_given_back_by_root(store: Path, run_as: RunAs) -> None:
    """Root's next open gives the files beside a store back to the owner of the store."""
    for path in store.parent.glob("talks.*"):
        if path != store:
            os.chown(path, 0, 0)
    assert "belongs to another user (uid 0)" in run_as(ANA, store.parent, "go on")
    CheckpointStore(store).close()
    assert {owner for name, owner in owners(store.parent).items() if name.startswith("talks.")} == {ANA}
    assert run_as(ANA, store.parent, "go on") == "[0, 1]\n"


@pytest.mark.parametrize("end", [".json", ".bak"])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_state_file_of_another_user_keeps_no_sound_store_from_opening(
    store: Path, end: str, mode: int, run_as: RunAs
) -> None:
    """A warning says that it is passed over, and the next export replaces it; a new store takes in none like it."""
    state = store.with_suffix(end)
    state.write_text('{"version": "1.2", "job_id": "x", "status": "running", "file_name": "of Bo"}')
    os.chown(state, BO, BO)
    state.chmod(mode)
    said = run_as(ANA, store.parent, "go on", "count")
    assert f"{state.name} is passed over: " in said
    assert "The next export replaces it" in said
    assert said.endswith("[0, 1]\n1\n")
    assert owners(store.parent)[state.name] == ANA
    assert run_as(ANA, store.parent, "go on") == "[0, 1, 2]\n"
    os.chown(state, BO, BO)
    for path in store.parent.glob("talks.db*"):
        path.unlink()
    assert "StoreTargetError" in run_as(ANA, store.parent, "go on")
    assert not store.exists()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_another_users_file_is_not_taken_as_the_store(store: Path, mode: int, run_as: RunAs) -> None:
    """Whatever its mode allows; it may be read where its owner lets others read it."""
    store.chmod(mode)
    before = snapshot(store.parent)
    said = run_as(BO, store.parent, "go on")
    assert said.startswith("StoreTargetError"), said
    assert "belongs to another user" in said
    assert "work on it as that user, or on a copy that the user makes" in said
    assert snapshot(store.parent) == before
    said = run_as(BO, store.parent, "read")
    assert ("paid for" in said) is (mode != 0o600), said
    assert snapshot(store.parent) == before


@pytest.mark.parametrize(
    "name", ["talks.db-wal", "talks.db-shm", "talks.lock", "talks.open", "talks.db.recovered", "talks.db.runner-00"]
)
@pytest.mark.parametrize("opener", [ANA, 0])
def test_another_users_file_beside_the_store_is_refused(store: Path, name: str, opener: int, run_as: RunAs) -> None:
    """Another user's file beside the store is refused by its name, for the owner and for root."""
    path = store.parent / name
    path.unlink(missing_ok=True)
    path.touch()
    os.chown(path, BO, BO)
    path.chmod(0o666)
    before = snapshot(store.parent)
    said = run_as(opener, store.parent, "go on")
    assert f"{name} beside it belongs to another user (uid {BO})" in said
    assert snapshot(store.parent) == before


@pytest.mark.parametrize("name", ["talks.lock", "talks.open", "talks.json", "talks.bak", "talks.db.backup-1.2-0007"])
def test_root_gives_away_and_changes_no_file_by_a_planted_name(store: Path, name: str, run_as: RunAs) -> None:
    """A hard link to a file of root's, made by whoever may write in the folder, changes nothing of that file."""
    secret = store.with_name("shadow")
    secret.write_text("root's")
    secret.chmod(0o640)
    (store.parent / name).unlink(missing_ok=True)
    os.link(secret, store.parent / name)
    run_as(0, store.parent, "go on")
    status = secret.stat()
    assert (status.st_uid, status.st_mode & 0o777, secret.read_text()) == (0, 0o640, "root's")


def test_the_output_of_roots_run_belongs_to_the_owner(store: Path, run_as: RunAs) -> None:
    """A new output is the store's owner's alone; one that was there stays its owner's, with its mode."""
    folder = store.parent
    (folder / "talk.txt").write_text("um so we choose to go to the moon")
    (folder / "kept.txt").touch()
    os.chown(folder / "kept.txt", BO, BO)
    (folder / "kept.txt").chmod(0o644)
    for output in ("new.txt", "kept.txt"):
        argv = [sys.executable, "-m", "checkpoint_store", "run", "talk.txt", "--store", "talks.db", "--output", output]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    modes = {path.name: (path.stat().st_uid, path.stat().st_mode & 0o777) for path in folder.glob("*.txt")}
    assert (modes["new.txt"], modes["kept.txt"]) == ((ANA, 0o600), (BO, 0o644))
    assert owners(folder)["talks.outputs"] == ANA
    assert run_as(ANA, folder, "count") == "2\n"


WAYS: dict[str, Callable[[Path], object]] = {
    "recover": lambda path: recover_store(path, accept_loss=True),
    "restore": lambda path: restore_store(path.with_name("copy.db"), path),
    "downgrade": lambda path: migrate(path, to="1.1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stranger_takes_nobodys_store(store: Path, way: str) -> None:
    """Recovering, restoring and migrating refuse another user's store as opening does."""
    store.chmod(0o666)
    (store.parent / "copy.db").chmod(0o644)
    before = snapshot(store.parent)
    pid = os.fork()
    if not pid:
        os.setresgid(BO, BO, BO)
        os.setresuid(BO, BO, BO)
        try:
            WAYS[way](store)
        except StoreTargetError as error:
            os._exit(0 if "another user" in str(error) else 2)
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert snapshot(store.parent) == before


def test_a_mount_that_keeps_no_owners_is_worked_on(folder: Path, run_as: RunAs) -> None:
    """Where every file is one user's, whoever made it, the store of one's own is not refused; its state file is read."""
    with disks.mounted("FUSE (exfat)", folder) as place:
        place.chmod(0o777)
        said = run_as(ANA, place, "begin")
        assert (place / "talks.db").stat().st_uid != ANA
        assert said == ""
        assert run_as(ANA, place, "go on") == "[0, 1]\n"


def test_root_that_deletes_a_job_leaves_the_log_of_outputs_to_the_owner(folder: Path) -> None:
    """The owner's next run can record its output there."""
    store, log = folder / "talks.db", folder / "talks.outputs"
    store.touch()
    os.chown(store, ANA, ANA)
    kept = OutputLog(store)
    for job_id in ("one", "two"):
        kept.record(folder / f"{job_id}.txt", "talk.srt", "digest", job_id)
    kept.forget("one")
    assert (log.stat().st_uid, "two" in log.read_text(), "one" in log.read_text()) == (ANA, True, False)
