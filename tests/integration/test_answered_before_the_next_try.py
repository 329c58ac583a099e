"""A chunk whose late answer comes before its next try begins is not called again: the answer was paid for."""

from __future__ import annotations

import asyncio
import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, LoopEvent, StorageUnavailableError, StoreBusy
from checkpoint_store.execution.claims.claims import Claims
from checkpoint_store.execution.execution import JobExecution
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.system.files import storage_errors

from .test_after_a_time_out import ANSWER, Slow, answer, job, kept, slow, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children

__all__ = ["job", "slow"]


def just_before_the_next_try(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen once, when a loop has looked at a chunk, and is about to begin its work."""
    real, waits = JobExecution.attempt_of, [happens]

    def attempt_of(self: JobExecution, *arguments: Any, **options: Any) -> Any:
        while waits:
            waits.pop()()
        return real(self, *arguments, **options)

    monkeypatch.setattr(JobExecution, "attempt_of", attempt_of)


class Calls(list[int]):
    """A service that notes which chunks it is called with."""

    def __call__(self, index: int) -> str:
        self.append(index)
        return "paid for twice"

    async def wait_for(self, index: int) -> str:
        return self(index)


def expect_one_call(job: Job, calls: list[int]) -> None:
    """Expect that nothing but the late answer was paid for."""
    assert (calls, job.result(0), job.costs().cost) == ([], ANSWER, 0.5)
    assert (job.status, job.in_doubt_chunks(), job.progress().remaining_chunks) == ("completed", [], 0)


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["in the loop's thread", "in threads", "in a pool", "in an event loop"])
def test_a_loop_does_not_call_it_again(
    job: Job, slow: Slow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The answer comes in another thread, between the loop's last look at the chunk and the begin of its work."""
    timed_out(job, slow)
    just_before_the_next_try(monkeypatch, lambda: answer(job, slow, caplog))
    calls, events = Calls(), list[LoopEvent]()

    async def ask() -> None:
        assert [item async for item in job.amap(calls.wait_for, on_event=events.append)] == []

    if how == "in an event loop":
        asyncio.run(ask())
    elif how == "in a pool":
        with ThreadPoolExecutor(2) as pool:
            assert list(job.map(calls, executor=pool, on_event=events.append)) == []
    else:
        workers = 1 if how == "in the loop's thread" else 2
        assert list(job.map(calls, workers=workers, on_event=events.append)) == []
    expect_one_call(job, calls)
    assert [event.kind for event in events] == ["started", "completed"]


def test_the_other_chunks_that_begin_with_it_are_called(
    store: CheckpointStore, slow: Slow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop of threads begins some chunks together; an answer to the first of them holds up no other."""
    job = store.open_job("talk.srt", total_chunks=3)
    timed_out(job, slow, only=[0])
    just_before_the_next_try(monkeypatch, lambda: answer(job, slow, caplog))
    assert sorted(item.index for item in job.map(str, workers=4)) == [1, 2]
    assert ([job.result(index) for index in range(3)], job.status) == ([ANSWER, "1", "2"], "completed")


def test_a_loop_of_one_worker_goes_on_behind_it(
    store: CheckpointStore, slow: Slow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that needs no call any more ends no loop: the chunks after it are still to be done."""
    job = store.open_job("talk.srt", total_chunks=3)
    timed_out(job, slow, only=[0])
    just_before_the_next_try(monkeypatch, lambda: answer(job, slow, caplog))
    assert [item.index for item in job.map(str)] == [1, 2]


def test_a_pending_loop_does_not_hand_it_out(
    job: Job, slow: Slow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pending()`` does not hand out a chunk whose late answer came, so its caller pays for the chunk once."""
    timed_out(job, slow)
    just_before_the_next_try(monkeypatch, lambda: answer(job, slow, caplog))
    expect_one_call(job, [chunk.index for chunk in job.pending()])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_chunk_that_is_completed_by_hand_just_before_its_try_is_not_called(
    job: Job, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Another thread of the program has its result."""
    just_before_the_next_try(monkeypatch, lambda: job.complete(0, ANSWER))
    calls = Calls()
    list(job.map(calls, workers=workers))
    expect_one_call(job, calls)


def test_no_work_on_a_chunk_begins_while_its_late_answer_is_recorded(
    job: Job, slow: Slow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has the answer already, and the loop is not told yet: it waits for that moment."""
    timed_out(job, slow)
    begins: list[bool] = []
    real = Claims.completed

    def completed(self: Claims, *arguments: Any) -> None:
        trying = threading.Thread(target=lambda: begins.append(self.settling_late.lock.acquire(blocking=False)))
        trying.start()
        trying.join()
        real(self, *arguments)

    monkeypatch.setattr(Claims, "completed", completed)
    answer(job, slow, caplog)
    assert (begins, job.result(0)) == ([False], ANSWER)


def test_an_answer_that_could_not_be_recorded_is_recorded_before_its_chunk_is_tried_again(
    store: CheckpointStore,
    slow: Slow,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The store was locked just when it came, in the middle of a loop that comes to its chunk later."""
    job = store.open_job("talk.srt", total_chunks=2)
    timed_out(job, slow, only=[1])
    loop = job.pending()
    first = next(loop)

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy(store.path, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", busy)
        patch.setattr(store._context.storage.group_commit, "submit", busy)  # type: ignore[union-attr]
        answer(job, slow, caplog)
    assert len(kept(tmp_path)) == 1
    first.complete("first")
    assert list(loop) == []
    assert (job.result(1)["cost"], job.costs().cost, job.status, kept(tmp_path)) == (0.5, 0.5, "completed", [])


LATE = {"text": "late", "cost": 0.5}


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [None, 1, 2], ids=["pending", "map", "threads"])
def test_an_answer_that_another_process_left_in_a_file_is_found_by_a_loop_that_comes_to_its_chunk(
    store: CheckpointStore, children: Children, tmp_path: Path, workers: int | None
) -> None:
    """A loop takes in the answer that another process left in a file, though its store was open before."""
    job = store.open_job("talk.srt", total_chunks=2)
    children.run(program(__file__, "answer_after_closing"), store.path)
    assert len(kept(tmp_path)) == 1
    if workers is None:
        called = [chunk.index for chunk in job.pending()]
    else:
        called = [item.index for item in job.map(str, workers=workers)]
    assert (called, job.result(0), job.costs().cost, kept(tmp_path)) == ([1], LATE, 0.5, [])
    assert next(job.attempts()).outcome == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 1, 2], ids=["pending", "map", "threads"])
def test_an_answer_whose_file_cannot_be_read_for_a_moment_is_not_paid_for_again(
    store: CheckpointStore, children: Children, monkeypatch: pytest.MonkeyPatch, workers: int | None
) -> None:
    """The process has too many open files just then: the loop ends, and the next loop has the answer."""
    job, calls = store.open_job("talk.srt", total_chunks=1), Calls()
    children.run(program(__file__, "answer_after_closing"), store.path)

    def run() -> None:
        if workers is None:
            calls.extend(chunk.index for chunk in job.pending())
        else:
            list(job.map(calls, workers=workers))

    def no_descriptor(_: Path, path: Path) -> None:
        with storage_errors(path):
            raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(unrecorded_files, "read", no_descriptor)
        with pytest.raises(StorageUnavailableError, match="Too many open files"):
            run()
    run()
    assert (calls, job.result(0), job.costs().cost) == ([], LATE, 0.5)


def test_a_link_in_place_of_a_file_of_answers_ends_no_loop(
    store: CheckpointStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A symlink in the place of a file of answers is never read, and the log names it once."""
    job = store.open_job("talk.srt", total_chunks=2)
    for chunk in job.pending():
        chunk.fail("no")
    Path(f"{store.path}.unrecorded-0123456789ab").symlink_to(tmp_path / "elsewhere")
    assert [item.index for item in job.map(str)] == [0, 1]
    assert caplog.text.count("were not taken in") == 1


@pytest.mark.slow
def test_what_a_late_failure_of_another_process_cost_is_counted_before_its_chunk_is_tried_again(
    store: CheckpointStore, children: Children, tmp_path: Path
) -> None:
    """A budget counts what was billed there."""
    job = store.open_job("talk.srt", total_chunks=1)
    children.run(program(__file__, "answer_after_closing"), store.path, "fails")
    assert job.costs().cost is None
    assert [item.result for item in job.map(lambda _: {"cost": 0.25})] == [{"cost": 0.25}]
    assert (job.costs().cost, job.costs().failed_cost, kept(tmp_path)) == (0.75, 0.5, [])


def test_a_file_that_is_not_for_this_job_is_looked_at_once(
    store: CheckpointStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of answers for another plan stays where it is, and the log names it once for any number of chunks."""
    job = store.open_job("talk.srt", total_chunks=3)
    for chunk in job.pending():
        chunk.fail("no")
    execution = job._execution
    execution.keep_unrecorded([execution.completion(0, "another plan's", attempt=(1, 0.5))])
    store._context.unrecorded.forget_in_child()
    (path,) = kept(tmp_path)
    text = path.read_text()
    path.write_text(text.replace('"plan": "', '"plan": "0'))
    for chunk in job.pending():
        chunk.complete("again")
    assert (list(job.results()), kept(tmp_path)) == (["again"] * 3, [path])
    assert caplog.text.count("a result for another plan") == 1
