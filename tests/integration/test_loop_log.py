"""What a loop tells while it runs: one line for each thing that is out of the ordinary, with job and chunk."""

from __future__ import annotations

import logging
import re
import threading
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, Job, JobPaused, StorageFullError, StoreBusy
from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.loop.service import retry_policy

from .map_tools import CHUNKS, Flaky, upper
from .test_broken_executors import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Lines = list[tuple[str, str]]


class BusyError(Exception):
    """A call that came too soon."""

    status_code = 429


class HopelessError(Exception):
    """What every chunk would meet."""

    status_code = 401


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", chunks=CHUNKS)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], Lines]:
    """Return (level, message) of what was logged."""
    caplog.set_level(logging.INFO, logger="checkpoint_store")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def only(lines: Lines, pattern: str) -> str:
    """Return the level of the one line that matches."""
    [level] = [level for level, message in lines if re.search(pattern, message)]
    return level


def test_each_retry_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """Each retry is a line of the log with the failure, the back-off and the number of the next attempt."""
    list(job.map(Flaky(c4=2), wait=0.01))
    assert [message.partition(",")[0] for _, message in lines()] == [f"job {job.job_id}"] * 2
    for number in (2, 3):
        assert only(lines(), f"chunk 4: attempt {number} follows after 0.01 s.*the line is down") == "INFO"


class Choosy:
    """A service that is busy for ``b`` until it refused ``a`` three times, and for ``a`` until just after it did ``b``."""

    def __init__(self) -> None:
        self.refused, self.has_answered, self.is_free = 0, False, False

    def __call__(self, text: str) -> str:
        is_free, self.is_free = self.is_free, self.has_answered and text == "a"
        self.refused += text == "a"
        if self.refused < 3 or (text == "a" and not is_free):
            raise BusyError
        self.has_answered = True
        return text


@pytest.mark.slow
def test_the_last_chunk_waits_no_longer_than_the_loop_for_a_busy_service(
    store: CheckpointStore, lines: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that was often refused among others lets these go first. At the end there is nobody to let go first."""
    monkeypatch.setattr(retry_policy, "_BACKOFF_SECONDS_MIN", 0.01)
    job = store.open_job("talk.srt", chunks=["a", "b"])
    assert [item.result for item in job.map(Choosy())] == ["b", "a"]
    waits = [match[1] for _, line in lines() if (match := re.search(r"chunk 0: .* follows after ([0-9.]+) s", line))]
    assert len(waits) >= 4
    assert float(waits[-1]) <= 0.02


def test_a_chunk_that_is_failed_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """A chunk that is failed is a line of the log beside the lines of its retries."""
    with pytest.raises(ConnectionError):
        list(job.map(Flaky(c4=9), wait=0, max_attempts=2))
    assert len(lines()) == 3
    assert only(lines(), f"job {job.job_id}, chunk 4: attempt 2 failed.*the line is down") == "WARNING"


@pytest.mark.slow_variants
@pytest.mark.parametrize("way", ["pause", "stop_when", "left"])
def test_each_pause_is_a_line(store: CheckpointStore, way: str, lines: Callable[[], Lines]) -> None:
    """Each pause is a line of the log that names what asked for it."""
    asked = threading.Event()
    job = store.open_job("long.srt", total_chunks=100_000)
    items = job.map(str, wait=0, stop_when=asked.is_set)
    next(items)
    if way == "left":
        items.close()  # type: ignore[attr-defined]
    elif way == "stop_when":
        asked.set()
    else:
        job.pause()
    if way != "left":
        with pytest.raises(JobPaused):
            list(items)
    reasons = {"pause": "somebody asked", "stop_when": "stop_when returned True", "left": "left early"}
    assert only(lines(), f"job {job.job_id}: pausing, because .*{reasons[way]}") == "INFO"
    asks = [message for _, message in lines() if message.startswith(f"job {job.job_id}: a pause was asked for")]
    assert (len(lines()), len(asks)) == ((2, 1) if way == "pause" else (1, 0))


def test_a_pause_of_the_callers_own_loop_is_a_line(
    job: Job, lines: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked, which loop ended, and how the job was left are lines: they say why a night's work stopped halfway."""
    monkeypatch.setattr(chunk_queue, "PAUSE_CHECK_INTERVAL_SECONDS", -1.0)
    with job:
        for chunk in job.pending():
            chunk.complete("done")
            job.pause()
    for what in ("a pause was asked for", "this loop ends, because", "its with block has ended, and the job is paused"):
        assert only(lines(), f"^job {job.job_id}: {what}") == "INFO"


def test_a_with_block_around_a_whole_job_is_no_line(job: Job, lines: Callable[[], Lines]) -> None:
    """A job that is complete is no news."""
    with job:
        for chunk in job.pending():
            chunk.complete("done")
    assert lines() == []


def test_an_error_that_hits_every_chunk_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """An error that every chunk would meet is a line of the log, and the pause that follows is another line."""
    with pytest.raises(HopelessError):
        list(job.map(Flaky(HopelessError("no key"), c0=1)))
    assert only(lines(), f"job {job.job_id}, chunk 0: attempt 1 met an error that every chunk.*no key") == "WARNING"
    assert only(lines(), f"job {job.job_id}: pausing") == "INFO"
    assert len(lines()) == 2


def test_a_broken_executor_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """An executor that breaks between two chunks blames none of them."""
    made: list[Threads] = []

    def make() -> Threads:
        made.append(Threads())
        return made[-1]

    for number, _ in enumerate(job.map(upper, executor=make, workers=1)):
        made[0].is_broken = number >= 3
    assert len(made) == 2
    assert only(lines(), f"job {job.job_id}: its executor broke and is made anew") == "WARNING"
    assert len(lines()) == 1


class DiesWithTwo(Executor):
    """Breaks once two chunks are in it, as a pool does when one of its processes dies."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.futures.append(Future())
        if len(self.futures) == 2:
            for future in self.futures:
                future.set_exception(BrokenExecutor("a process died"))
        return self.futures[-1]


def test_each_chunk_in_a_broken_pool_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """Each chunk that a broken pool held is a line of the log: retried alone, and not failed."""
    pools = iter([DiesWithTwo()])
    assert len(list(job.map(upper, executor=lambda: next(pools, None) or Threads(), workers=2))) == len(CHUNKS)
    for index in (0, 1):
        assert only(lines(), f"job {job.job_id}, chunk {index}: retried alone, because a process") == "WARNING"
    assert only(lines(), f"job {job.job_id}: its executor broke") == "WARNING"
    assert len(lines()) == 3


def test_a_busy_store_is_a_line(job: Job, lines: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy store is a line of the log for each stretch of waiting, however often the call is repeated."""
    submit, refusals = job._execution.submit, iter(range(3))

    def busy(completions: Any) -> None:
        if next(refusals, None) is not None:
            raise StoreBusy("talks.db", 0.1)
        submit(completions)

    monkeypatch.setattr(job._execution, "submit", busy)
    list(job.map(upper))
    assert only(lines(), f"job {job.job_id}: retrying until the store is free: .*talks.db") == "WARNING"
    assert len(lines()) == 1


def test_an_unrecorded_result_is_a_line(job: Job, lines: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is kept unrecorded is a line of the log, so nobody has to wonder where it is."""

    def full(_: Any) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    monkeypatch.setattr(job._execution, "submit", full)
    with pytest.raises(StorageFullError):
        list(job.map(upper))
    assert only(lines(), f"job {job.job_id}, chunk 0: unrecorded, and kept for later: .*disk is full") == "WARNING"


def test_a_chunk_that_another_runner_completed_is_a_line(job: Job, lines: Callable[[], Lines]) -> None:
    """Where its result differs: the first one stands, and this one is not yielded."""

    def work(text: str) -> str:
        if text == CHUNKS[2]:
            job.complete(2, "of another runner")
        return text

    assert [item.index for item in job.map(work)] == [index for index in range(len(CHUNKS)) if index != 2]
    assert only(lines(), f"job {job.job_id}, chunk 2: completed by another runner") == "WARNING"
    assert len(lines()) == 1


def test_what_fails_while_a_loop_ends_is_a_line(
    job: Job, lines: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error that ended it is raised; the other one is not lost."""

    def full(*_: Any, **__: Any) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    items = job.map(upper)
    next(items)
    monkeypatch.setattr(job._execution.lifecycle, "leave", full)
    items.close()  # type: ignore[attr-defined]
    assert only(lines(), f"job {job.job_id}: its end could not be recorded: .*disk is full") == "WARNING"


def test_nothing_is_made_for_a_level_that_is_off(job: Job) -> None:
    """No log record is made for a level that is off, whatever happens."""
    made: list[object] = []
    before = logging.getLogRecordFactory()

    def counting(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(args)
        return before(*args, **kwargs)

    logger = logging.getLogger("checkpoint_store")
    level = logger.level
    logging.setLogRecordFactory(counting)
    try:
        logger.setLevel(logging.CRITICAL)
        list(job.map(Flaky(c1=1, c2=9), wait=0, on_error="record"))
    finally:
        logger.setLevel(level)
        logging.setLogRecordFactory(before)
    assert made == []


def test_the_logger_is_silent_by_itself() -> None:
    """A program that configures no logging sees no line, because the logger has a handler that does nothing."""
    import checkpoint_store.loop.loop

    assert checkpoint_store.loop.loop is not None
    handlers = logging.getLogger("checkpoint_store").handlers
    assert [type(handler) for handler in handlers if isinstance(handler, logging.NullHandler)] == [logging.NullHandler]


def test_an_ordinary_loop_is_no_news(job: Job, lines: Callable[[], Lines]) -> None:
    """Where nothing went wrong there is no line, at any level that a program would show."""
    assert len(list(job.map(upper, workers=3))) == len(CHUNKS)
    assert lines() == []
