"""``run`` where the system starts no more threads or processes, as in a container with a small limit of them."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Folder


@pytest.fixture
def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the system start no thread of a name."""
    start = threading.Thread.start

    def refuse(name: str) -> None:
        def start_others(thread: threading.Thread) -> None:
            if thread.name == name:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_others)

    return refuse


def test_a_command_without_its_stdin_is_not_started(lecture: Folder, refuse_threads: Callable[[str], None]) -> None:
    """No program is called without its text, no chunk is blamed, and the message names what helps."""
    refuse_threads("checkpoint-store stdin")
    done = lecture.run("run", "lecture.txt", *SIX, "--retries", 5, *lecture.command(), code=1)
    assert lecture.calls() == []
    assert "cannot be started: " in done.stderr
    assert "use fewer --workers, or raise the limit (ulimit -u" in done.stderr
    assert lecture.json("show")["failed_chunks"] == 0


def test_a_run_works_without_its_progress(lecture: Folder, refuse_threads: Callable[[str], None]) -> None:
    """All chunks are done, and a line says why the run shows no progress."""
    refuse_threads("checkpoint-store-progress")
    done = lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    assert len(lecture.calls()) == 6
    assert "no progress is shown: can't start new thread" in done.stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EAGAIN, "ulimit -u"), (errno.EMFILE, "ulimit -n"), (errno.ENOMEM, "free memory")]
)
def test_a_refused_process_is_named_with_what_helps(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    """If too many programs run already, the message says that fewer workers help."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    words = lecture.command()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    done = lecture.run("run", "lecture.txt", *SIX, *words, code=1)
    assert "use fewer --workers" in done.stderr
    assert remedy in done.stderr
