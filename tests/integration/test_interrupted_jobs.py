"""What is left of a job whose loop was cut off: who is at work on it, and which error ended its loop."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, JobPaused
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.execution.execution import JobExecution
from checkpoint_store.execution.lifecycle import JobLifecycle
from checkpoint_store.execution.loops.open_loops import RunningLoop
from checkpoint_store.loop.executors.workplace import Workplace
from checkpoint_store.loop.recording import Recorder

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from conftest import Children, Opener

    from checkpoint_store import Job

HANGS = program(__file__, "hang_in_second")


def last_job(path: Path) -> tuple[str, str | None, int]:
    """Status, error and completed chunks of the newest job, as another open sees it."""
    with CheckpointStore(path, read_only=True) as store:
        job = store.latest_job()
        assert job is not None
        return job.status.value, job.error_message, job.progress().completed_chunks


def test_a_killed_job_is_not_active(children: Children, open_store: Opener) -> None:
    """A killed job keeps its recorded status, and is known at once to be inactive, without a write."""
    process = children.start(HANGS)
    assert children.next_line(process) == "begun"
    with open_store(read_only=True) as store:
        (job,) = store.jobs()
        assert (job.status, job.is_active) == ("running", True)
        process.kill()
        process.wait()
        assert (job.status, job.is_active) == ("running", False)
    job = open_store().jobs()[0]
    assert job.is_active is False


def test_an_idle_store_is_not_at_work(store: CheckpointStore) -> None:
    """The loop is over and the store is open: nobody works on the job, however the loop ended."""
    job = store.open_job("talk.srt", chunks=["a", "b", "c"])
    assert not job.is_active
    for chunk in job.pending():
        assert job.is_active
        chunk.complete("x")
        break
    assert not job.is_active
    for _ in job.map(str.upper):
        assert job.is_active
    assert (job.status, job.is_active) == ("completed", False)


# -- the error that ended a loop


@pytest.mark.slow_variants
@pytest.mark.parametrize("ends", ["with", "never closed", "translated"])
@pytest.mark.parametrize("loop", ["pending", "map", "named"])
def test_the_error_that_ended_a_loop_is_kept_with_its_job(
    loop: str, ends: str, children: Children, tmp_path: Path
) -> None:
    """Raised in the body of the loop, outside of a ``with job`` block: the next look at the job says why it ended."""
    children.run(program(__file__, "raise_in_loop"), loop, ends, code=1)
    status, error, _ = last_job(tmp_path / "talks.db")
    # A named iterator lives until the store is closed: what is known then is what the program raised at last.
    is_translated = (loop, ends) == ("named", "translated")
    raised = "ValueError: the answer cannot be read"
    expected = f"RuntimeError: stopped (caused by {raised})" if is_translated else raised
    assert (status, error) == ("failed", expected)


def complete_all(job: Job) -> None:
    for chunk in job.pending():
        chunk.complete("x")


def test_an_error_of_a_loop_itself_is_kept(store: CheckpointStore) -> None:
    """What the caller's own function raises while ``pending`` looks for the next chunk is no silence."""
    asked: list[str] = []

    def fingerprint(chunk: dict[str, str]) -> str:
        asked.append(chunk["text"])
        if asked.count("b") > 1:
            raise LookupError("no such text")
        return chunk["text"]

    job = store.open_job("talk.srt", chunks=[{"text": "a"}, {"text": "b"}], fingerprint=fingerprint)
    with pytest.raises(LookupError):
        complete_all(job)
    assert (job.status, job.error_message, job.progress().completed_chunks) == (
        "failed",
        "LookupError: no such text",
        1,
    )


def test_a_loop_that_was_left_on_purpose_is_not_blamed(children: Children, tmp_path: Path) -> None:
    """A ``break``, and an error that was caught before the next file: a later error is that of the last loop alone."""
    children.run(program(__file__, "leave_loops"), code=1)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        kept = {job.file_name: job.error_message for job in store.jobs() if job.error_message}
    assert kept == {"caught2": "ValueError: 2"}


def fail_and_raise(job: Job) -> None:
    for _ in job.pending():
        job.fail("the transcript is empty")
        raise ValueError("and later")


def test_what_the_caller_said_of_a_job_stands(tmp_path: Path) -> None:
    """``job.fail`` before the exception goes on its way: its message is not written over."""
    with pytest.raises(ValueError, match="later"), CheckpointStore(tmp_path / "talks.db") as store:
        fail_and_raise(store.open_job("talk.srt", chunks=["a"]))
    assert last_job(tmp_path / "talks.db") == ("failed", "the transcript is empty", 0)


# -- a pause that meets a beginning


def test_a_pause_reaches_running_loops_though_another_process_begins(
    store: CheckpointStore, open_store: Opener
) -> None:
    """Who begins in that moment makes the job run again; the loops that were asked to pause end all the same."""
    job = store.open_job("talk.srt", total_chunks=400)
    begun, is_paused = threading.Event(), threading.Event()
    raised: list[JobPaused] = []

    def work(index: int) -> int:
        begun.set()
        is_paused.wait(60)
        threading.Event().wait(0.02)
        return index

    def run() -> None:
        try:
            list(job.map(work))
        except JobPaused as paused:
            raised.append(paused)

    first = threading.Thread(target=run)
    first.start()
    assert begun.wait(60)
    open_store().job(job.job_id).pause()
    joining = open_store().job(job.job_id).map(lambda index: index)  # begins after the pause, and goes on
    next(joining)
    is_paused.set()
    first.join(60)
    assert len(raised) == 1
    assert raised[0].remaining_chunks > 0
    joining.close()  # type: ignore[attr-defined]


@pytest.mark.slow_variants
@pytest.mark.parametrize("way", ["map", "pending"])
def test_a_pause_between_opening_and_beginning_is_not_lost(
    store: CheckpointStore, open_store: Opener, way: str
) -> None:
    """A process that has just opened the job does not begin to pay; who calls again goes on."""
    job = store.open_job("talk.srt", total_chunks=3)
    open_store().job(job.job_id).pause()
    calls: list[int] = []

    def work(index: int) -> int:
        calls.append(index)
        return index

    if way == "map":
        with pytest.raises(JobPaused):
            list(job.map(work))
    else:
        assert list(job.pending()) == []
    assert (calls, job.status) == ([], "paused")
    assert len(list(job.map(work))) == 3


def test_a_pause_after_the_call_of_a_loop_is_not_lost(store: CheckpointStore) -> None:
    """A server that shuts down pauses a job whose background loop was called, and has not begun yet."""
    job = store.open_job("talk.srt", total_chunks=3)
    calls: list[int] = []

    def work(index: int) -> int:
        calls.append(index)
        return index

    items = job.map(work)
    job.pause()
    with pytest.raises(JobPaused):
        next(items)

    async def main() -> None:
        items = job.amap(work)  # type: ignore[arg-type]
        await asyncio.to_thread(job.pause)
        with pytest.raises(JobPaused):
            await anext(items)

    asyncio.run(main())
    assert (calls, job.status) == ([], "paused")
    assert len(list(job.map(work))) == 3


# -- an end that the work asks for


def test_work_that_asks_to_end_keeps_the_other_chunks_in_flight(store: CheckpointStore) -> None:
    """The other workers' chunks are paid for: they are finished and recorded, and then the exception goes on its way."""
    job = store.open_job("talk.srt", total_chunks=4)
    all_in_flight, raised = threading.Barrier(4, timeout=60), threading.Event()

    def work(index: int) -> int:
        all_in_flight.wait()
        if index == 0:
            raised.set()
            raise KeyboardInterrupt
        assert raised.wait(60)
        wait_until(lambda: 0 not in {chunk.chunk_index for chunk in job.running_chunks()})
        return index

    with pytest.raises(KeyboardInterrupt):
        list(job.map(work, workers=4))
    assert [index for index, _ in job.items()] == [1, 2, 3]
    assert (job.status, [chunk.chunk_index for chunk in job.in_doubt_chunks()]) == ("paused", [0])


def test_a_handler_that_exits_keeps_the_chunks_in_flight(children: Children, tmp_path: Path) -> None:
    """The program's own handler raises SystemExit in the middle of the loop: what is in flight is recorded first."""
    children.run(program(__file__, "exit_in_handler"))
    assert last_job(tmp_path / "talks.db") == ("paused", None, 4)


def test_an_interrupt_between_two_steps_frees_the_chunks_before_the_loop_is_left(
    store: CheckpointStore,
) -> None:
    """The next loop of the thread finds each chunk free, and completes the job."""
    job = store.open_job("talk.srt", total_chunks=40)
    lines, first = inspect.getsourcelines(RunningLoop._step)
    (line,) = [first + at for at, text in enumerate(lines) if text.strip() == "self._inside = None"]
    calls: list[int] = []

    def work(index: int) -> int:
        calls.append(index)
        return index

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is not RunningLoop._step.__code__:
            return None
        if event == "line" and frame.f_lineno == line and len(calls) > 2:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(job.map(work))
    finally:
        sys.settrace(None)
    assert not [thread for thread in threading.enumerate() if thread.name == "checkpoint-store loop"]
    assert len(list(job.map(str))) == 40 - len(calls)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("of", "place"),
    [
        (JobExecution, "record_unrecorded"),
        (Recorder, "leave_overdue"),
        (ChunkQueue, "close"),
        (Workplace, "close"),
        (JobLifecycle, "leave"),
    ],
)
def test_an_interrupt_while_a_loop_ends_leaves_the_job_paused(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, of: type, place: str
) -> None:
    """A Ctrl-C in the last step of a loop leaves the job paused and inactive, with no chunk in hand."""
    real, interrupts = getattr(of, place), [KeyboardInterrupt()]

    def interrupted(*args: Any, **how: Any) -> None:
        if place != "leave" or not interrupts:
            real(*args, **how)
        if interrupts:
            raise interrupts.pop()

    job = store.open_job("talk.srt", total_chunks=2)
    monkeypatch.setattr(of, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(str, only=range(1)))
    assert (job.status, job.is_active, job.error_message, interrupts) == ("paused", False, None, [])
    assert len(list(job.map(str))) == 1
