"""A command that waits for another process says for whom, and how long it waits at most."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.claims import long_wait
from checkpoint_store.storage.connection import busy, open_lock

from .conftest import SIX
from .test_interrupts import until
from .test_workers import HANGING, pids

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children

    from .conftest import Folder

HOLD = """from checkpoint_store import CheckpointStore
with CheckpointStore(".processing_state.db"):
    print("open", flush=True)
    input()"""
COMMAND_LINE = """import sys
from checkpoint_store.cli.app import run_command_line
sys.exit(run_command_line(["checkpoint-store", *sys.argv[1:]]))"""


@pytest.fixture
def stored(folder: Folder) -> Folder:
    """A folder with a closed store, and ``copy.db``, a backup of it."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(folder.path / "copy.db")
    return folder


@pytest.fixture
def at_a_wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let every wait be a long one, and call a function after its line, so that it ends."""

    def until(end: Callable[[], object]) -> None:
        for module in (open_lock, busy):
            real = module.log_wait

            def said(*arguments: Any, real: Callable[..., object] = real) -> None:
                real(*arguments)
                end()

            monkeypatch.setattr(module, "LOG_WAIT_AFTER_SECONDS", 0.0)
            monkeypatch.setattr(module, "log_wait", said)

    return until


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("restore", "copy.db"), ("recover",), ("migrate", "--to", "1.0")], ids=" ".join)
def test_a_command_that_needs_the_store_alone_names_who_has_it_open(
    stored: Folder, children: Children, at_a_wait: Callable[[Callable[[], object]], None], words: tuple[str, ...]
) -> None:
    """The line has the process and the longest wait; once that process has closed the store, the command goes on."""
    holder = children.start(HOLD)
    assert children.next_line(holder) == "open"
    at_a_wait(lambda: children.pass_gate([holder]))
    said = stored.run(*words).stderr
    store = stored.path / ".processing_state.db"
    assert f"checkpoint-store: {store} is open in process {holder.pid} (" in said
    assert ": waiting up to 10 s\n" in said


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "words", [("prune", "--keep-last", "0", "--yes"), ("merge", "copy.db"), ("pause",)], ids=" ".join
)
def test_a_command_that_writes_says_that_another_process_is_writing(
    stored: Folder, at_a_wait: Callable[[Callable[[], object]], None], words: tuple[str, ...]
) -> None:
    """Nobody takes it for hanging."""
    store = stored.path / ".processing_state.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        at_a_wait(lambda: other.execute("ROLLBACK"))
        said = stored.run(*words).stderr
    assert f"checkpoint-store: {store} is locked by another process: waiting up to 10 s\n" in said


def test_a_command_that_waits_for_nobody_says_nothing_of_it(stored: Folder) -> None:
    """Other lines of the log are for programs."""
    assert "waiting" not in stored.run("restore", "copy.db").stderr


@pytest.mark.slow
def test_a_run_of_an_edited_file_names_the_run_that_still_works_on_the_old_text(
    lecture: Folder, children: Children
) -> None:
    """The new run says which process pays for the same chunks, and which command ends its work."""
    words = ("run", "lecture.txt", *SIX, *lecture.command(HANGING))
    first = children.start(COMMAND_LINE, *words)
    until(lambda: len(pids(lecture)) == 1)
    job = lecture.json("show")["job_id"]
    lecture.write("lecture.txt", "A first line.\n\n" + lecture.read("lecture.txt"))
    second = children.start(COMMAND_LINE, *words)
    until(lambda: len(pids(lecture)) == 2)
    lecture.write("release", "")
    _, said = second.communicate(timeout=60)
    assert f"process {first.pid} on " in said
    assert f"checkpoint-store pause {job}\n" in said


@pytest.mark.slow
@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_run_that_waits_long_for_another_run_names_it(
    lecture: Folder, children: Children, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    """The line has the chunk and the runner. If that run was stopped, the line also has the commands that help."""
    words = ("run", "lecture.txt", *SIX, *lecture.command(HANGING))
    first = children.start(COMMAND_LINE, *words)
    until(lambda: len(pids(lecture)) == 1)
    stands_still = [first.pid if is_stopped else pids(lecture)[0]]
    os.kill(stands_still[0], signal.SIGSTOP)
    lecture.write("release", "")
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    log = long_wait.LongWait._log

    def log_and_let_go_on(wait: long_wait.LongWait) -> None:
        log(wait)
        if stands_still:
            os.kill(stands_still.pop(), signal.SIGCONT)

    monkeypatch.setattr(long_wait.LongWait, "_log", log_and_let_go_on)
    said = lecture.run(*words).stderr
    job = lecture.json("show")["job_id"]
    assert f"job {job}: this run waits for 1 chunk, from chunk 0 on, that runner 1 has at work" in said
    if is_stopped:
        assert f"Runner 1 is process {first.pid}, which was stopped" in said
        assert f"checkpoint-store release {job} --runner 1 frees its chunks" in said
    else:
        assert f"; checkpoint-store show {job} names its process" in said
    assert "job." not in said
