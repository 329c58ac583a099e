"""Limits that people set beforehand hold over all runners: calls and tokens in a minute, and a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, DeadlineReached, InvalidArgumentError, Job, JobPaused, current_attempt
from checkpoint_store.loop.gates.limits import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children, Opener

CHUNKS = [f"chunk {index}" for index in range(40)]


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A new job of forty chunks."""
    return store.open_job("f", chunks=CHUNKS)


class Timed:
    """Work that notes when each call began."""

    def __init__(self, result: Callable[[str], Any] = str.upper) -> None:
        self.began: list[float] = []
        self._result = result

    def __call__(self, text: str) -> Any:
        self.began.append(time.monotonic())
        return self._result(text)


# -- calls


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 8])
def test_calls_are_spread_over_the_minute(job: Job, workers: int) -> None:
    """2,400 in a minute are one each 25 ms, from the first one on: a loop that is started again cannot burst."""
    work, start = Timed(), time.monotonic()
    assert len(list(job.map(work, workers=workers, max_calls_per_minute=2400))) == len(CHUNKS)
    assert min(work.began) - start >= 0.025
    assert max(work.began) - start >= len(CHUNKS) * 0.025
    assert job.last_run is not None
    assert job.last_run.waited_for_limits_seconds > 0


@pytest.mark.parametrize("limits", [{"max_calls_per_minute": 1e9}, {"max_tokens_per_minute": 1e9, "tokens": len}])
def test_a_call_counts_from_its_begin(job: Job, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any]) -> None:
    """A loop of one worker reaches its rate: the time that a call takes is no wait in addition."""
    seen, take = list[str](), TokenBucket.take

    def noted(bucket: TokenBucket, amount: float, moment: float) -> None:
        seen.append("counted")
        take(bucket, amount, moment)

    monkeypatch.setattr(TokenBucket, "take", noted)
    list(job.map(lambda _: seen.append("called") or 1, only=range(3), on_pause="return", **limits))
    assert seen == ["counted", "called"] * 3


@pytest.mark.slow
def test_each_try_is_a_call(job: Job) -> None:
    """A chunk that is tried again counts again."""
    calls = []

    def work(text: str) -> str:
        calls.append(text)
        if current_attempt().number == 1:
            raise ValueError(text)
        return text

    start = time.monotonic()
    list(job.map(work, workers=4, wait=0, max_calls_per_minute=2400))
    assert len(calls) == 2 * len(CHUNKS)
    assert time.monotonic() - start >= 2 * len(CHUNKS) * 0.025


@pytest.mark.slow
def test_asyncio_is_limited_alike(job: Job) -> None:
    """The event loop goes on meanwhile."""
    work, ticks = Timed(), []

    async def call(text: str) -> Any:
        return work(text)

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks.append(1)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        async for _ in job.amap(call, workers=8, max_calls_per_minute=4800):
            pass
        ticking.cancel()

    start = time.monotonic()
    asyncio.run(main())
    assert max(work.began) - start >= len(CHUNKS) * 0.0125
    assert len(ticks) > 5


MANY = [f"chunk {index}" for index in range(100)]
UNCOUNTED_SECONDS = 1.0
"""How long a loop may take all of the limit before it has counted another one."""
TWO = program(__file__, "within_rate")


@pytest.mark.slow
def test_two_processes_share_the_limit(children: Children, open_store: Opener) -> None:
    """Each takes half of it while both are alive. Once one of them is done the other one takes all of it."""
    open_store().open_job("f", chunks=MANY)
    outputs = children.together(2, TWO)
    began = sorted(float(line) for output in outputs for line in output.splitlines())
    assert all(outputs)
    assert len(began) == len(MANY)
    assert began[-1] - began[0] >= len(MANY) * 0.05 - UNCOUNTED_SECONDS - 0.2


@pytest.mark.slow
def test_two_loops_of_one_process_share_the_limit(store: CheckpointStore) -> None:
    """Two threads on the same job, and one runner for both."""
    job = store.open_job("f", chunks=MANY)
    work, gate = Timed(), threading.Barrier(2)

    def drive() -> None:
        gate.wait()
        for _ in job.map(work, workers=2, max_calls_per_minute=1200):
            pass

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(work.began) == len(MANY)
    assert max(work.began) - min(work.began) >= len(MANY) * 0.05 - UNCOUNTED_SECONDS - 0.2


# -- tokens


@pytest.mark.slow
def test_tokens_are_estimated_before_and_corrected_after(job: Job) -> None:
    """Each call is thought to use 10 and uses 100: it is the 100 that fit into a minute."""
    work, start = Timed(lambda text: {"text": text, "total_tokens": 100}), time.monotonic()
    options: dict[str, Any] = {"max_tokens_per_minute": 480_000, "tokens": lambda _: 10}
    list(job.map(work, workers=4, **options))
    # 8,000 tokens are a second; those in work at the end are not waited for any more.
    assert max(work.began) - start >= (len(CHUNKS) - 6) * 100 / 8000
    assert job.last_run is not None
    assert job.last_run.tokens == 100 * len(CHUNKS)


@pytest.mark.slow
def test_an_estimate_that_is_too_high_is_given_back(job: Job) -> None:
    """Each call is thought to use 1,000 of 60,000 a minute, which would be 40 s, and uses 10."""
    work, start = Timed(lambda text: {"text": text, "usage": {"input_tokens": 8, "output_tokens": 2}}), time.monotonic()
    list(job.map(work, workers=1, max_tokens_per_minute=60_000, tokens=lambda _: 1000))
    assert 1.0 <= time.monotonic() - start < 30


def test_the_estimate_is_of_the_callers_chunk(job: Job) -> None:
    """A long chunk waits for its own length, and a short one for less."""
    seen = []

    def estimate(text: str) -> int:
        seen.append(text)
        return len(text)

    list(job.map(str.upper, workers=2, max_tokens_per_minute=600_000, tokens=estimate))
    assert set(seen) == set(CHUNKS)


@pytest.mark.slow_variants
@pytest.mark.parametrize("count", [-1, float("inf"), float("nan"), None, "9", True])
def test_an_estimate_that_is_no_number_ends_the_loop(job: Job, count: Any) -> None:
    """Before the chunk's call; the error names the chunk."""
    work = Timed()
    with pytest.raises(InvalidArgumentError, match=r"tokens.*chunk 0"):
        list(job.map(work, max_tokens_per_minute=1000, tokens=lambda _: count))
    assert (work.began, job.status) == ([], "paused")


# -- a deadline


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 4])
def test_a_deadline_finishes_what_is_in_hand_and_pauses(job: Job, workers: int) -> None:
    """Nothing starts after it; what is in work then is recorded; the next run goes on."""

    def work(text: str) -> str:
        time.sleep(0.05)
        return text

    start = time.monotonic()
    with pytest.raises(DeadlineReached) as caught:
        list(job.map(work, workers=workers, deadline_seconds=0.25))
    took = time.monotonic() - start
    done = job.progress().completed_chunks
    assert 0.25 <= took < 20
    assert 0 < done < len(CHUNKS)
    assert (caught.value.remaining_chunks, caught.value.deadline_seconds) == (len(CHUNKS) - done, 0.25)
    assert (job.status, isinstance(caught.value, JobPaused), job.in_doubt_chunks()) == ("paused", True, [])
    assert len(list(job.map(str.upper))) == len(CHUNKS) - done


@pytest.mark.slow
def test_a_deadline_ends_what_waits(job: Job) -> None:
    """A back-off of an hour, or a rate limit, is not waited for."""

    def work(_: str) -> None:
        raise ValueError("no")

    for options in ({"wait": 3600}, {"max_calls_per_minute": 0.01}):
        start = time.monotonic()
        with pytest.raises(DeadlineReached):
            list(job.map(work, workers=2, deadline_seconds=0.2, max_attempts=99, **options))
        assert time.monotonic() - start < 20


@pytest.mark.slow
def test_a_deadline_in_an_outage_names_the_outage(job: Job) -> None:
    """Who reads the traceback sees that the service was away; an outage that is over is no cause."""
    error = ConnectionError("refused")

    def work(_: str) -> str:
        raise error

    with pytest.raises(DeadlineReached) as caught:
        list(job.map(work, workers=2, deadline_seconds=0.2, wait=0.05))
    assert caught.value.__cause__ is error
    with pytest.raises(DeadlineReached) as caught:
        list(job.map(lambda _: time.sleep(0.05) or "done", deadline_seconds=0.1))
    assert caught.value.__cause__ is None


@pytest.mark.slow
def test_a_deadline_that_comes_with_the_last_chunk_is_none(store: CheckpointStore) -> None:
    """Everything is done: the job is completed."""
    job = store.open_job("one", chunks=["a"])
    list(job.map(lambda _: time.sleep(0.3) or "done", deadline_seconds=0.1))
    assert job.status == "completed"


def test_a_deadline_counts_from_the_first_step_of_the_loop(job: Job) -> None:
    """A deadline counts from the first step of the loop, and not from the call of ``map``."""
    items = job.map(str.upper, deadline_seconds=30)
    time.sleep(0.05)
    assert len(list(items)) == len(CHUNKS)


# -- options


@each_case("name", ["max_calls_per_minute", "max_tokens_per_minute", "deadline_seconds"])
@each_case("value", [0, -1, True, "5", float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(job: Job, name: str, value: Any) -> None:
    """Before anything is called; the error names the option."""
    work = Timed()
    with pytest.raises(InvalidArgumentError, match=name):
        list(job.map(work, **{"tokens": len, name: value}))
    assert work.began == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_tokens_per_minute": 1000}, "needs tokens="),
        ({"max_tokens_per_minute": 1000, "tokens": 5}, "is no function"),
    ],
)
def test_a_limit_of_tokens_needs_an_estimate(job: Job, options: dict[str, Any], words: str) -> None:
    """A limit that cannot be reckoned would be none."""
    with pytest.raises(InvalidArgumentError, match=words):
        list(job.map(str.upper, **options))
