"""``on_event`` in ``amap``: in the event loop's thread, before whoever iterates the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, JobPaused, LoopEvent

if TYPE_CHECKING:
    from conftest import Children

CHUNKS = ["a", "b", "c", "d"]
request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of four chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


async def work(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


def test_it_is_called_in_the_thread_of_the_event_loop(job: Job) -> None:
    """``amap`` calls ``on_event`` in the thread of the event loop, in the context of its caller."""
    seen: list[tuple[str, int, str]] = []

    async def main() -> None:
        request_id.set("42")
        tasks = asyncio.get_running_loop()

        def hook(event: LoopEvent) -> None:
            assert asyncio.get_running_loop() is tasks
            seen.append((event.kind, threading.get_ident(), request_id.get()))

        async for _ in job.amap(work, workers=2, on_event=hook):
            pass

    asyncio.run(main())
    assert sorted(kind for kind, _, _ in seen) == ["completed"] * 4 + ["started"] * 4
    assert {(thread, request) for _, thread, request in seen} == {(threading.get_ident(), "42")}


def test_what_is_yielded_was_told_of(store: CheckpointStore) -> None:
    """A screen is never behind the loop's own body; and at the end everything was told."""
    job = store.open_job("long.srt", chunks=[str(number) for number in range(2_000)])
    completed: list[int | None] = []
    kinds: list[str] = []

    def hook(event: LoopEvent) -> None:
        kinds.append(event.kind)
        if event.kind == "completed":
            completed.append(event.index)

    async def main() -> None:
        async for item in job.amap(work, workers=1, on_event=hook):
            assert item.index in completed
            if item.index == 2:
                job.pause()

    with pytest.raises(JobPaused):
        asyncio.run(main())
    assert len(completed) == job.progress().completed_chunks < 2_000
    assert kinds[-1] == "paused"


def test_a_cancelled_loop_tells_of_its_end(job: Job) -> None:
    """The call in flight is finished and told of, and then the pause."""
    kinds: list[str] = []

    async def main() -> None:
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def slow(text: str) -> str:
            begun.set()
            await goes_on.wait()
            return text

        async def loop() -> None:
            async with contextlib.aclosing(
                job.amap(slow, workers=1, on_event=lambda event: kinds.append(event.kind))
            ) as items:
                async for _ in items:
                    pass

        task = asyncio.create_task(loop())
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert kinds == ["started", "completed", "paused"]


def test_an_error_of_the_hook_is_logged_and_ends_nothing(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ``on_event`` in ``amap`` goes to this library's log, and ends nothing."""

    def hook(event: LoopEvent) -> None:
        raise RuntimeError("the screen is gone")

    async def main() -> int:
        return len([item async for item in job.amap(work, on_event=hook)])

    assert asyncio.run(main()) == 4
    assert {record.name for record in caplog.records} == {"checkpoint_store"}
    assert caplog.text.count("on_event raised for 'completed': RuntimeError: the screen is gone") == 4


def test_what_ends_a_program_takes_its_course(children: Children) -> None:
    """KeyboardInterrupt out of the hook ends ``asyncio.run``, as out of any callback; what was in hand is recorded."""
    printed = children.run(program(__file__, "interrupt_in_hook"))
    assert printed == "interrupted True []\n"
