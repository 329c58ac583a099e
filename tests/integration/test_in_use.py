"""Who has a store open is known by a lock; what takes the file away waits for them, and then refuses."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, TESTS, program, snapshot

from checkpoint_store import (
    CheckpointStore,
    StorageUnavailableError,
    StoreBusy,
    StoreInUse,
    StoreTargetError,
    doctor,
    migrate,
    migration_status,
    recover_store,
    restore_store,
)
from checkpoint_store.storage.connection import open_lock
from checkpoint_store.system import shared_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children

HOLD = program(__file__, "hold_open")
TAKES_IT: dict[str, Callable[[Path, float], object]] = {
    "recover": lambda path, seconds: recover_store(path, accept_loss=True, lock_timeout_seconds=seconds),
    "restore": lambda path, seconds: restore_store(path.with_name("copy.db"), path, lock_timeout_seconds=seconds),
    "downgrade": lambda path, seconds: migrate(path, to="1.0", lock_timeout_seconds=seconds),
}
takes_it = pytest.mark.parametrize("take", TAKES_IT.values(), ids=list(TAKES_IT))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of one job that is half done, closed, and ``copy.db``, a backup of it."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(tmp_path / "copy.db")
    return tmp_path / "talks.db"


def older(path: Path) -> None:
    """Bring a store back to schema 1.0, at rest, as the version that wrote it left it."""
    migrate(path, to="1.0")
    path.with_suffix(".open").unlink()


@pytest.mark.slow_variants
@takes_it
@pytest.mark.parametrize("how", [[], ["rollback journal"]], ids=["log", "rollback journal"])
def test_an_idle_store_is_not_taken_from_its_process(
    path: Path, children: Children, take: Callable[[Path, float], object], how: list[str]
) -> None:
    """Nothing is changed, and the error names the process; once that has closed the store, the same call succeeds."""
    holder = children.start(HOLD, path, *how)
    assert children.next_line(holder) == "open"
    files = {one.name for one in path.parent.iterdir()}
    with pytest.raises(StoreInUse, match=f"process {holder.pid} has it open; end it first") as caught:
        take(path, 0.05)
    assert caught.value.holders == (holder.pid,)
    assert {one.name for one in path.parent.iterdir()} == files
    children.pass_gate([holder])
    assert children.next_line(holder) == "closed"
    take(path, 0)


@pytest.mark.slow_variants
@takes_it
def test_a_killed_process_has_nothing_open(
    path: Path, children: Children, take: Callable[[Path, float], object]
) -> None:
    """The kernel frees the lock, also where a program that it started lives on."""
    holder = children.start(HOLD, path, "a child")
    assert children.next_line(holder) == "open"
    holder.kill()
    holder.wait()
    take(path, 0)


@pytest.mark.slow
@takes_it
def test_another_pid_namespace_is_seen(path: Path, take: Callable[[Path, float], object]) -> None:
    """From inside of a container that shares the folder, a store that is open outside is in use, whoever that is."""
    way = next(name for name, one in TAKES_IT.items() if one is take)
    rights = ["-m"] if os.getuid() == 0 else ["-Urm"]
    argv = ["unshare", *rights, "-p", "--fork", "--mount-proc", sys.executable]
    argv += [str(program(__file__, "take_elsewhere")), way, str(path)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}"}
    with CheckpointStore(path) as store:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("() True\n", 0), done.stderr
        store.latest_job().complete(1, "not lost")  # type: ignore[union-attr]
    with CheckpointStore(path, read_only=True) as store:
        assert store.jobs()[0].result(1) == "not lost"


@pytest.mark.slow_variants
@takes_it
def test_closing_another_descriptor_drops_nothing(path: Path, take: Callable[[Path, float], object]) -> None:
    """Each of two stores in a process keeps its lock when the other store closes or the lock file is read.

    The error says to close the store, and not to end the process, which is the caller's own.
    """
    with CheckpointStore(path):
        other = CheckpointStore(path)
        path.with_suffix(".open").read_bytes()
        other.close()
        with pytest.raises(StoreInUse, match="this process has it open; close it first"):
            take(path, 0)
    take(path, 0)


def test_an_opening_drops_no_lock_of_a_connection_that_the_program_opened(path: Path, children: Children) -> None:
    """A notebook that reads the store with ``sqlite3``, too, loses no result, whoever else opens and closes the store."""
    with CheckpointStore(path) as store:
        notebook = sqlite3.connect(path)
        notebook.execute("SELECT * FROM jobs").fetchall()
        store.jobs()[0].set_metadata({"note": "in the WAL"})
    with closing(notebook), CheckpointStore(path) as store:  # the notebook has kept the WAL
        store.jobs()[0].set_metadata({"note": "in the WAL, too"})
        children.run("from checkpoint_store import *\nCheckpointStore('talks.db').close()")
        store.jobs()[0].complete(1, "paid for, too")
    with CheckpointStore(path) as store:
        assert list(store.jobs()[0].results()) == ["paid for", "paid for, too"]


def test_a_forked_child_that_lives_on_keeps_nothing(path: Path, children: Children) -> None:
    """A forked child closes its copy of the store without dropping its parent's lock, and locks anew at its own use."""
    assert children.run(program(__file__, "fork_that_lives_on")) == "True\nNone\nTrue\nNone\n"


@pytest.mark.slow
def test_whoever_waits_goes_on_once_the_store_is_closed(path: Path, children: Children) -> None:
    """A restore that waits for a store goes on once the store is closed, and lets it write its state file."""
    holder = children.start(HOLD, path)
    assert children.next_line(holder) == "open"
    waiting = children.start(program(__file__, "wait_to_restore"))
    assert children.next_line(waiting) == "waits"
    with CheckpointStore(path, lock_timeout_seconds=30) as store:
        store.latest_job().export()  # type: ignore[union-attr]
    children.finish(holder, "\n\n")
    assert children.finish(waiting).splitlines()[-1] == "restored"


def test_a_store_that_is_being_taken_is_waited_for(path: Path) -> None:
    """Opening a store during exclusive work ends in StoreBusy after the time-out, and leaves nothing locked."""
    with open_lock.exclusively(path, 0):
        for read_only in (False, True):
            with pytest.raises(StoreBusy, match="a recovery, a restoring or a migration"):
                CheckpointStore(path, read_only=read_only, lock_timeout_seconds=0.05)
    with open_lock.exclusively(path, 0):
        pass


def test_a_look_at_the_lock_fails_no_opening(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the owner of a file holds its lock for an instant: an opening tries again, with no time-out, too."""
    with ExitStack() as look:
        assert look.enter_context(open_lock.alone(path))

        def wait(_: float) -> None:
            look.close()

        monkeypatch.setattr(shared_lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=wait))
        CheckpointStore(path, lock_timeout_seconds=0.0).close()


def test_a_read_only_store_shares_the_lock_and_creates_none(path: Path, children: Children) -> None:
    """Where the lock file is there, nobody takes the file away from a reader; where it is not, it stays so."""
    holder = children.start(HOLD, path, "read only")
    assert children.next_line(holder) == "open"
    with pytest.raises(StoreInUse, match=f"process {holder.pid} has it open"):
        recover_store(path, lock_timeout_seconds=0)
    children.finish(holder, "\n\n")
    path.with_suffix(".open").unlink()
    before = snapshot(path.parent)
    with CheckpointStore(path, read_only=True) as store:
        assert store.jobs()
        assert {finding.says for finding in doctor(path) if finding.what == "in use"} == {"no process has it open"}
    assert snapshot(path.parent) == before


def test_doctor_says_who_has_it_open(path: Path, children: Children) -> None:
    """``doctor`` knows by the lock who has the store open, even a process that is idle and has no WAL."""
    holder = children.start(HOLD, path, "rollback journal")
    assert children.next_line(holder) == "open"
    (says,) = [finding.says for finding in doctor(path) if finding.what == "in use"]
    assert says == f"open in process {holder.pid}"


# -- upgrades


@pytest.mark.slow
def test_an_upgrade_waits_for_who_has_the_older_schema_open(path: Path) -> None:
    """A process of an older version has no lock of ours; its connection to the file tells, and nothing is changed."""
    older(path)
    before = snapshot(path.parent)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        with pytest.raises(StoreInUse, match=f"process {os.getpid()} has it open; end it first"):
            elsewhere(path)
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("1.0",)
    assert {name: what for name, what in snapshot(path.parent).items() if name != "talks.open"} == before
    with CheckpointStore(path) as store:
        assert store.jobs()[0].result(0) == "paid for"


def elsewhere(path: Path) -> None:
    """Open a store in another process; to close a descriptor of it here would drop the locks of this one."""
    argv = [sys.executable, program(__file__, "refused_elsewhere"), path]
    done = subprocess.run(argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    raise pickle.loads(done.stdout)


@pytest.mark.slow
def test_an_upgrade_waits_for_a_runner_of_the_older_version(path: Path, children: Children) -> None:
    """Between two calls, on a file system without a log, only its lock file says that it lives."""
    older(path)
    runner = children.start(program(__file__, "hold_runner_lock"))
    children.next_line(runner)
    with pytest.raises(StoreInUse, match=f"process {runner.pid} has it open"):
        CheckpointStore(path, lock_timeout_seconds=0.05)
    assert migration_status(path).current == "1.0"
    runner.kill()
    runner.wait()
    CheckpointStore(path).close()
    assert migration_status(path).current != "1.0"


def six_read_and_stay(children: Children, warnings: str) -> None:
    """Six processes open the store at once, read its result, and have it open until all of them have."""
    processes = children.at_the_gate(6, program(__file__, "stay_open"), warnings)
    children.pass_gate(processes)
    assert [children.next_line(process) for process in processes] == ["paid for"] * 6
    children.pass_gate(processes)
    assert [children.finish(process) for process in processes] == [""] * 6


@pytest.mark.slow
def test_many_first_opens_of_an_older_store_do_not_keep_each_other_out(path: Path, children: Children) -> None:
    """Of many processes that open an older store, one upgrades it, and the others go on beside it."""
    older(path)
    six_read_and_stay(children, "error")


@pytest.mark.slow
def test_many_openings_of_a_damaged_store_do_not_keep_each_other_out(path: Path, children: Children) -> None:
    """Of many processes that open a damaged store, one repairs it, and the others go on beside it."""
    with path.open("r+b") as file:
        file.truncate(8192)
    six_read_and_stay(children, "ignore")
    assert len(list(path.parent.glob("talks.db.corrupt-*Z"))) == 1


# -- the file itself


def test_the_lock_file_is_private_and_stays(path: Path) -> None:
    """0600 under any umask, mended where it is not; the same file for ever, and one for each store of a folder."""
    lock = path.with_suffix(".open")
    number = lock.stat().st_ino
    lock.chmod(0o644)
    kept = os.umask(0)
    try:
        CheckpointStore(path).close()
        CheckpointStore(path.with_name("talks.sqlite"), state_file=None).close()
    finally:
        os.umask(kept)
    assert lock.stat().st_ino == number
    for one in (lock, path.with_name("talks.sqlite.open")):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
        assert one.read_bytes() == b""


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda name: name.symlink_to("thesis.txt")])
def test_what_was_planted_in_its_place_is_refused(path: Path, make: Any) -> None:
    """A pipe is not waited for, a link not followed; nothing behind it is touched."""
    lock = path.with_suffix(".open")
    thesis = path.with_name("thesis.txt")
    thesis.write_text("mine")
    thesis.chmod(0o644)
    lock.unlink()
    make(lock)
    with pytest.raises((StoreTargetError, StorageUnavailableError), match=r"talks\.open"):
        CheckpointStore(path)
    assert (thesis.read_text(), stat.S_IMODE(thesis.stat().st_mode)) == ("mine", 0o644)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_root_gives_the_lock_file_to_the_owner_of_the_store(path: Path) -> None:
    """Else the owner could open the store no more."""
    path.with_suffix(".open").unlink()
    shutil.chown(path, 65534, 65534)
    CheckpointStore(path).close()
    assert path.with_suffix(".open").stat().st_uid == 65534


def test_a_store_cannot_be_called_like_the_lock_of_another(tmp_path: Path) -> None:
    """``talks.open`` belongs to ``talks.db``."""
    with pytest.raises(StoreTargetError, match=r"suffix \.open"):
        CheckpointStore(tmp_path / "talks.open")
    with pytest.raises(StoreTargetError, match=r"suffix \.open"):
        CheckpointStore(tmp_path / "other.db", state_file=tmp_path / "talks.open")
    assert list(tmp_path.iterdir()) == []
