"""An exception of a signal handler that comes anywhere in the tasks of ``amap`` ends the program, and hangs nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.loop.aio import tasks
from checkpoint_store.loop.aio.tasks import Tasks
from checkpoint_store.loop.executors import futures
from checkpoint_store.loop.executors.futures import HandOvers

if TYPE_CHECKING:
    from types import FrameType

    from checkpoint_store import CheckpointStore, Job

FILES = {tasks.__file__, futures.__file__}
CHUNKS = 3
"""The chunks of the job, which are handed over together."""


class Interrupted:
    """Raises SystemExit at one place of what the event loop does for its tasks, as the handler of a host does."""

    def __init__(self, place: int) -> None:
        self.left = place
        self.is_over = False

    def heed(self, frame: FrameType, event: str, _: Any) -> Any:
        """Trace the functions of the tasks, each line and each end of a call."""
        if frame.f_code.co_filename not in FILES:
            return None
        return self.step(frame, event, _)

    def step(self, _: FrameType, event: str, __: Any) -> Any:
        """Count the places; raise at the last one."""
        if event != "exception" and not self.is_over:
            self.left -= 1
            if self.left == 0:
                self.is_over = True
                sys.settrace(None)
                raise SystemExit(0)
        return self.step


def paid_where_interrupted(job: Job, place: int) -> tuple[list[int], bool]:
    """Do a job of quick chunks that is interrupted at a place; return what was paid for, and whether it came so far."""
    paid: list[int] = []
    interrupted = Interrupted(place)

    async def work(index: int) -> int:
        paid.append(index)
        return index

    async def main() -> None:
        sys.settrace(interrupted.heed)
        async for _ in job.amap(work, workers=CHUNKS):
            pass

    try:
        asyncio.run(main())
    except SystemExit:
        pass
    finally:
        sys.settrace(None)
    return paid, interrupted.is_over


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("apart", [3, pytest.param(1, marks=pytest.mark.storm)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of a task whose making is interrupted: its work never begins
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_anywhere_in_the_tasks_hangs_nothing_and_loses_no_result(
    store: CheckpointStore, apart: int
) -> None:
    """``asyncio.run`` comes to its end, and each chunk that was paid for is complete."""
    for place in count(1, apart):
        job = store.open_job(f"talk{place}.srt", total_chunks=CHUNKS)
        paid, is_interrupted = paid_where_interrupted(job, place)
        assert (sorted(paid), place) == ([index for index, _ in job.items()], place)
        if not is_interrupted:
            break
    assert place > 50


@pytest.mark.slow_variants
@pytest.mark.parametrize(("owner", "name"), [(Tasks, "_start"), (HandOvers, "note"), (Tasks, "settle")])
def test_a_signal_that_ends_the_program_is_waited_for_by_nobody(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """A service exits at SIGTERM, which comes as a task begins or ends: ``asyncio.run`` ends, and all results are kept."""
    real, calls, paid = getattr(owner, name), [0], list[int]()

    def interrupted(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    def leave(*_: object) -> None:
        raise SystemExit(0)

    async def work(index: int) -> int:
        paid.append(index)
        return index

    async def main() -> None:
        async for _ in job.amap(work, workers=CHUNKS):
            pass

    job = store.open_job("talk.srt", total_chunks=CHUNKS)
    monkeypatch.setattr(owner, name, interrupted)
    before = signal.signal(signal.SIGTERM, leave)
    try:
        with pytest.raises(SystemExit):
            asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sorted(paid) == [index for index, _ in job.items()] == [0, 1, 2]
