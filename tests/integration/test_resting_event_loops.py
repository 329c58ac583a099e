"""An event loop that its program runs in pieces: what was called before a rest is paid for, and its result is kept."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, Job
from checkpoint_store.loop.aio import tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

REST_SECONDS = 0.1


class Service:
    """Answers once it is let: until then, its calls are under way."""

    def __init__(self) -> None:
        self.places = 1
        self.calls: list[int] = []
        self.began, self.may_answer = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def answer(self, index: int) -> dict[str, Any]:
        self.calls.append(index)
        if len(self.calls) == self.places:
            self.began.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return {"index": index, "cost": 0.5}


@pytest.fixture
def event_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.AbstractEventLoop]:
    """Return an event loop that counts as abandoned soon, where it may be abandoned at all."""
    monkeypatch.setattr(tasks, "_ABANDONED_AFTER_SECONDS", REST_SECONDS)
    event_loop = asyncio.new_event_loop()
    yield event_loop
    event_loop.run_until_complete(event_loop.shutdown_default_executor())
    event_loop.close()


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", total_chunks=3)


@pytest.fixture
def service() -> Service:
    return Service()


def begun(event_loop: asyncio.AbstractEventLoop, job: Job, service: Service) -> asyncio.Task[list[Any]]:
    """Run a loop over a job until its first calls are under way, and let the event loop rest."""

    async def consume() -> list[Any]:
        return [item.result async for item in job.amap(service.answer, workers=service.places, max_attempts=1)]

    consumer = event_loop.create_task(consume())
    event_loop.run_until_complete(service.began.wait())
    return consumer


def given_up(job: Job) -> bool:
    return job.in_doubt_chunks() != []


def finish(event_loop: asyncio.AbstractEventLoop, consumer: asyncio.Task[list[Any]], service: Service) -> Any:
    """Let the service answer, and the event loop run until nothing is left to do; return what the loop came to."""

    async def go_on() -> Any:
        service.may_answer.set()
        (outcome,) = await asyncio.gather(consumer, return_exceptions=True)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        return outcome

    return event_loop.run_until_complete(go_on())


def test_a_loop_goes_on_after_a_rest(
    event_loop: asyncio.AbstractEventLoop, job: Job, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the rest was: each chunk is called once, and none has used up a try."""
    looks: list[bool] = []
    is_ending = tasks._is_interpreter_ending
    monkeypatch.setattr(tasks, "_is_interpreter_ending", lambda: looks.append(is_ending()) or looks[-1])
    consumer = begun(event_loop, job, service)
    wait_until(lambda: len(looks) > 2)  # so often was it long enough to count as abandoned
    assert (job.in_doubt_chunks(), job.errors(), any(looks)) == ([], [], False)
    assert len(finish(event_loop, consumer, service)) == job.total_chunks
    assert service.calls == list(range(job.total_chunks))


@pytest.mark.slow
def test_an_answer_after_a_rest_is_that_of_the_text_that_its_call_had(
    event_loop: asyncio.AbstractEventLoop, store: CheckpointStore, service: Service, tmp_path: Path
) -> None:
    """A person corrected the file meanwhile, and the next try has the corrected text when the answer comes."""
    (file := tmp_path / "0.txt").write_text("text")
    plan: dict[str, Any] = {"chunks": [file.name], "fingerprint": lambda name: (tmp_path / name).read_text()}
    consumer = begun(event_loop, job := store.open_job("talk.srt", **plan), service)
    job.pause()
    wait_until(lambda: given_up(job))
    file.write_text("corrected")
    job.resume()
    (again,) = job.pending()
    finish(event_loop, consumer, service)
    assert (job.result(0)["index"], again.data) == ("0.txt", "0.txt")
    assert list(store.open_job("talk.srt", **plan, on_change="reuse").items()) == []


@pytest.mark.slow
def test_a_result_that_comes_after_a_pause_is_recorded(
    event_loop: asyncio.AbstractEventLoop, job: Job, service: Service
) -> None:
    """The loop was asked to end while its event loop rested, and gave its call up; the answer comes all the same."""
    consumer = begun(event_loop, job, service)
    job.pause()
    wait_until(lambda: given_up(job))
    finish(event_loop, consumer, service)
    assert (dict(job.items()), job.in_doubt_chunks()) == ({0: {"index": 0, "cost": 0.5}}, [])
    assert job.costs().cost == 0.5


@pytest.mark.slow
def test_a_result_that_comes_too_late_was_paid_for(
    event_loop: asyncio.AbstractEventLoop, job: Job, service: Service
) -> None:
    """Another result of the chunk stands by then: it stays, and both costs are counted."""
    consumer = begun(event_loop, job, service)
    job.pause()
    wait_until(lambda: given_up(job))
    job.complete(0, {"index": 0, "text": "another", "cost": 0.25})
    finish(event_loop, consumer, service)
    assert job.result(0)["text"] == "another"
    assert (job.costs().cost, job.costs().failed_cost) == (0.75, 0.5)


@pytest.mark.slow
def test_what_a_late_failure_cost_is_counted(event_loop: asyncio.AbstractEventLoop, job: Job, service: Service) -> None:
    """The cost of a failure counts, even if the failure comes after a rest of the event loop."""
    consumer = begun(event_loop, job, service)
    job.pause()
    wait_until(lambda: given_up(job))
    service.error = ValueError("no")
    service.error.cost = 0.125  # type: ignore[attr-defined]
    finish(event_loop, consumer, service)
    assert (job.costs().cost, job.progress().completed_chunks) == (0.125, 0)


@pytest.mark.slow
def test_a_result_that_comes_after_the_store_was_closed_is_taken_in_by_the_next_open(
    event_loop: asyncio.AbstractEventLoop, tmp_path: Path, service: Service
) -> None:
    """``close()`` does not wait for an event loop that rests; the answer is kept in a file beside the store."""
    store = CheckpointStore(tmp_path / "late.db")
    service.places = 8
    consumer = begun(event_loop, store.open_job("talk.srt", total_chunks=9), service)
    store.close()
    finish(event_loop, consumer, service)
    with CheckpointStore(tmp_path / "late.db") as again:
        assert [index for index, _ in again.job("talk.srt").items()] == sorted(service.calls)
    assert len(service.calls) == 8


@pytest.mark.slow
def test_a_cancellation_while_a_late_result_is_recorded_loses_nothing(
    event_loop: asyncio.AbstractEventLoop, job: Job, service: Service
) -> None:
    """Cancelling every task while a late result waits for its recording does not lose the result."""
    consumer = begun(event_loop, job, service)
    job.pause()
    wait_until(lambda: given_up(job))
    pool, may_record = ThreadPoolExecutor(1), threading.Event()
    event_loop.set_default_executor(pool)

    async def cancel_all() -> None:
        pool.submit(may_record.wait, 60)
        service.may_answer.set()
        await asyncio.gather(consumer, return_exceptions=True)
        while not pool._work_queue.qsize():  # noqa: ASYNC110 - a pool tells of nothing
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        may_record.set()

    event_loop.run_until_complete(cancel_all())
    wait_until(lambda: job.progress().completed_chunks == 1)
    assert job.result(0) == {"index": 0, "cost": 0.5}


@pytest.mark.slow
def test_an_interrupt_before_a_late_result_is_recorded_loses_nothing(
    event_loop: asyncio.AbstractEventLoop, job: Job, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes in the thread of the event loop, just as the result is handed to a thread that records it."""
    consumer = begun(event_loop, job, service)
    job.pause()
    wait_until(lambda: given_up(job))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(event_loop, "run_in_executor", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(event_loop, consumer, service)
    monkeypatch.undo()
    assert job.result(0) == {"index": 0, "cost": 0.5}
    event_loop.run_until_complete(asyncio.gather(consumer, return_exceptions=True))


FORGOTTEN = program(__file__, "forget_an_event_loop")


@pytest.mark.slow
def test_a_program_that_forgets_its_event_loop_ends(children: Children, tmp_path: Path) -> None:
    """The interpreter does not wait for a call that nobody goes on with; its chunk is in doubt."""
    process = children.start(FORGOTTEN)
    process.communicate(timeout=120)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        (job,) = store.jobs()
        assert [chunk.chunk_index for chunk in job.in_doubt_chunks()] == [0]
