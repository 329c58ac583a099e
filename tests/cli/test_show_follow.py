"""``show --follow``: a job that is watched until it ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from tests.cli.conftest import ROOT, SIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import Job
    from tests.cli.conftest import Folder


@pytest.fixture
def job(folder: Folder) -> Iterator[Job]:
    """A job of four chunks that this process can work on; none is done yet."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        yield store.open_job("a.txt", chunks=list("abcd"))


def test_a_job_that_has_ended_is_shown_once(lecture: Folder) -> None:
    """Nobody waits for a job that is complete."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    (line,) = lecture.run("show", "--follow").stdout.splitlines()
    assert line.endswith("  completed, 6 of 6 chunks, 100%")


@pytest.mark.slow
def test_each_change_is_a_line_until_the_job_ends(folder: Folder, job: Job) -> None:
    """Without a terminal, a script reads what happens as it happens, and the command ends with the job."""
    chunks = job.pending()
    next(chunks).complete("A")
    watcher = folder.process("show", "--follow")
    assert watcher.stdout is not None
    assert "running, 1 of 4 chunks, 25%" in watcher.stdout.readline()
    for chunk in chunks:
        chunk.complete("x")
    job.finish()
    out, _ = watcher.communicate()
    assert watcher.returncode == 0
    assert out.splitlines()[-1].endswith("completed, 4 of 4 chunks, 100%")


def test_the_document_comes_when_the_job_ends(folder: Folder, job: Job) -> None:
    """With --json a script waits for the end of a job, and gets one document."""
    job.pause()
    assert folder.json("show", "--follow")["status"] == "paused"


@pytest.mark.slow
def test_ctrl_c_ends_the_watching_and_not_the_job(folder: Folder, job: Job) -> None:
    """Ctrl-C is the usual way to end it: exit 0, as with report --follow, and the job is as it was."""
    next(iter(job.pending())).complete("A")
    watcher = folder.process("show", "--follow")
    assert watcher.stdout is not None
    watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    _, errors = watcher.communicate()
    assert (watcher.returncode, errors) == (0, "")
    assert job.status == "running"


@pytest.mark.slow
def test_a_terminal_shows_the_page_in_its_place(folder: Folder, job: Job) -> None:
    """On a terminal the page is drawn again where it stands; the last one stays when the job has ended."""
    chunks = job.pending()
    next(chunks).complete("A")
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    words = [sys.executable, "-m", "checkpoint_store", "show", "--follow"]
    watcher = subprocess.Popen(words, cwd=folder.path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"1 of 4 chunks" not in seen or b"left" not in seen:
        seen += os.read(ours, 65536)
    for chunk in chunks:
        chunk.complete("x")
    job.finish()
    with suppress(OSError):  # Linux says so that the other end is closed
        while more := os.read(ours, 65536):
            seen += more
    os.close(ours)
    assert watcher.wait() == 0
    assert b"4 of 4 chunks, 100%" in seen
    assert b"\x1b[1A" in seen, "the cursor never went up to draw the page again"
