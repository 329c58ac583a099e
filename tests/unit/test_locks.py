"""Locks that the kernel frees when their holder dies."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store.errors import StorageUnavailableError, StoreBusy
from checkpoint_store.system.descriptors import has_locked
from checkpoint_store.system.file_lock import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

HOLD = program(__file__, "hold")
COUNT = program(__file__, "count")
FORKED = program(__file__, "forked")


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_another_process_waits_and_is_told(tmp_path: Path) -> None:
    """While another process holds the lock, waiting for it ends in StoreBusy with the path and the time waited."""
    path = tmp_path / "s.lock"
    with holder(path):
        for seconds in (0, 0.05):
            with (
                pytest.raises(
                    StoreBusy, match="another process" if not seconds else r"by process \d+ \(python"
                ) as caught,
                file_lock(path, seconds),
            ):
                pytest.fail("two holders")
            assert (caught.value.path, caught.value.waited_seconds) == (str(path), seconds)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """The lock of a process that was killed is free, its file still there, and nothing has to be cleaned up."""
    path = tmp_path / "s.lock"
    with holder(path) as process:
        number = path.stat().st_ino
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with file_lock(path, 0):
            pass
    assert path.stat().st_ino == number


@pytest.mark.slow
def test_a_stopped_holder_still_holds(tmp_path: Path) -> None:
    """The control: a process that is only stopped keeps its lock; no clock and no process id takes it away."""
    path = tmp_path / "s.lock"
    with holder(path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreBusy), file_lock(path, 0.2):
            pytest.fail("two holders")


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    """A holder that lets go, or fails inside, leaves the lock free for the next."""
    path = tmp_path / "s.lock"
    with file_lock(path, 0):
        pass
    with pytest.raises(KeyError), file_lock(path, 0):
        raise KeyError
    with pytest.raises(KeyboardInterrupt), file_lock(path, 0):
        raise KeyboardInterrupt
    with file_lock(path, 0):
        pass


def test_the_lock_file_is_never_removed(tmp_path: Path) -> None:
    """The file stays, the same one: who removes it lets a second holder in."""
    path = tmp_path / "s.lock"
    numbers = set()
    for _ in range(3):
        with file_lock(path, 0):
            numbers.add(path.stat().st_ino)
        numbers.add(path.stat().st_ino)
    assert len(numbers) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_thread_waits_and_is_told(tmp_path: Path) -> None:
    """While another thread holds the lock, waiting for it ends in StoreBusy; then it is free."""
    path = tmp_path / "s.lock"
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with file_lock(path, 10):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(60)
        for seconds in (-1, 0, 0.05):
            with pytest.raises(StoreBusy, match="another thread"), file_lock(path, seconds):
                pytest.fail("two holders")
    finally:
        done.set()
        thread.join()
    with file_lock(path, 0):
        pass


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    """Among many threads, by whatever spelling of the path, one at a time is inside."""
    (tmp_path / "sub").mkdir()
    spellings = [tmp_path / "s.lock", tmp_path / "sub" / ".." / "s.lock"]
    inside: list[int] = []
    most: list[int] = []

    def work(turn: int) -> None:
        with file_lock(spellings[turn % 2], 60):
            inside.append(turn)
            most.append(len(inside))
            inside.remove(turn)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))
    assert most == [1] * 64


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Processes that count up a number under the lock lose no step."""
    path, counter = tmp_path / "s.lock", tmp_path / "count"
    counter.write_text("0")
    workers = [subprocess.Popen([sys.executable, COUNT, str(path), str(counter)]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert counter.read_text() == "75"


def test_different_locks_do_not_meet(tmp_path: Path) -> None:
    """Two lock files are two locks."""
    with file_lock(tmp_path / "a.lock", 0), file_lock(tmp_path / "b.lock", 0):
        pass


@pytest.mark.parametrize("exists", [True, False])
def test_a_symlink_is_not_followed(tmp_path: Path, exists: bool) -> None:
    """A symlink in the lock's place is refused, and what it points to neither changed nor made."""
    target, path = tmp_path / "theirs", tmp_path / "s.lock"
    if exists:
        target.write_text("theirs")
    path.symlink_to(target)
    with pytest.raises(StorageUnavailableError), file_lock(path, 0):
        pytest.fail("locked a stranger's file")
    assert exists == target.exists()
    assert not exists or target.read_text() == "theirs"


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    """A lock in a folder that does not exist is an error that names it, and nothing is created."""
    path = tmp_path / "no" / "s.lock"
    with pytest.raises(StorageUnavailableError) as caught, file_lock(path, 0):
        pytest.fail("made a folder")
    assert caught.value.path == str(path)
    assert not path.parent.exists()


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """A folder where the lock file should be is an error of this library."""
    with pytest.raises(StorageUnavailableError), file_lock(tmp_path, 0):
        pytest.fail("locked a folder")


def test_a_forked_child_is_not_stuck(tmp_path: Path) -> None:
    """A child forked while a thread of the parent held the lock gets it once the parent let go."""
    run = subprocess.run([sys.executable, FORKED, tmp_path / "s.lock"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("how", ["share", "probe"])
def test_a_child_that_was_forked_while_a_lock_file_was_opened_holds_no_lock(children: Children, how: str) -> None:
    """A lock is free once its holder releases it, though a forked child has the descriptor, too."""
    assert children.run(program(__file__, "fork_while_opening"), how) == "True\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says which files a process has locked")
def test_a_lock_is_seen_whichever_descriptor_has_it(tmp_path: Path) -> None:
    """A connection of the program keeps its lock also if the program has the file open a second time."""
    path = tmp_path / "own.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as own:
        own.execute("CREATE TABLE notes (note)")
    with path.open("rb"), closing(sqlite3.connect(path, isolation_level=None)) as own:
        assert not has_locked(path)
        own.execute("BEGIN IMMEDIATE")
        assert has_locked(path)
