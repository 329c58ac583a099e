"""A loop that cannot begin leaves nothing behind; a progress bar that nobody can see keeps no loop from its work."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import pytest

from checkpoint_store import StoreBusy
from checkpoint_store.execution.claims.runner import OwnRunner
from checkpoint_store.execution.lifecycle import JobLifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import CheckpointStore


@pytest.fixture(params=["without a reader", "closed", "missing"])
def screen(request: pytest.FixtureRequest) -> Iterator[TextIO | None]:
    """Return a standard error that takes nothing."""
    if request.param == "missing":
        yield None
        return
    if request.param == "closed":
        stream: TextIO = io.StringIO()
        stream.close()
        yield stream
        return
    reader, writer = os.pipe()
    os.close(reader)
    stream = io.TextIOWrapper(io.FileIO(writer, "w"), line_buffering=True)
    yield stream
    with suppress(BrokenPipeError):
        stream.close()


def test_a_bar_that_nobody_can_see_keeps_no_loop_from_its_work(
    store: CheckpointStore, screen: TextIO | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop whose bar cannot be written, as after ``2>&1 | head``, does every chunk."""
    job = store.open_job("talk.srt", total_chunks=3)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "checkpoint_store"):
        patch.setattr(sys, "stderr", screen)
        items = list(job.map(str, progress=True))
    assert (len(items), job.status, job.is_active) == (3, "completed", False)


def test_a_loop_that_cannot_begin_leaves_no_runner(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that cannot begin leaves no runner, so nobody takes its job for active."""
    job = store.open_job("talk.srt", total_chunks=1)

    def busy(*_: object) -> None:
        raise StoreBusy(store.path, 0.0)

    with monkeypatch.context() as patch, pytest.raises(StoreBusy):
        patch.setattr(JobLifecycle, "mark_running", busy)
        list(job.map(str))
    assert (job.is_active, len(list(job.map(str))), job.status) == (False, 1, "completed")


def test_a_loop_that_cannot_begin_in_a_locked_store_leaves_the_job_as_it_is(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No chunk was tried: the job is not failed, and the loop does not wait for the lock a second time."""
    job = store.open_job("talk.srt", total_chunks=1)
    before = job.status

    def busy(*_: object, **__: object) -> int:
        raise StoreBusy(store.path, 0.0)

    with monkeypatch.context() as patch, pytest.raises(StoreBusy):
        patch.setattr(OwnRunner, "register", busy)
        list(job.map(str))
    assert (job.status, job.is_active, len(list(job.map(str)))) == (before, False, 1)
