"""Claims beside lock files, failures, pauses, views and other ways to complete."""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted, ChunkOutOfRange, Job, JobNotFound, StateManager
from checkpoint_store.execution.claims.chunk_queue import PAUSE_CHECK_INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children, Opener
from .claims_tools import CLAIM, TOTAL, lock_files, rows


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


# -- the files


def test_lock_files_are_private_and_gone_after_close(job: Job, open_store: Opener, tmp_path: Path) -> None:
    """``*.runner-*`` is 0600 whatever the umask; a killed one's is removed by the next open."""
    before = os.umask(0)
    try:
        kept = next(job.pending())
    finally:
        os.umask(before)
    (lock_file,) = lock_files(tmp_path)
    assert stat.S_IMODE(lock_file.stat().st_mode) == 0o600
    open_store()
    assert lock_files(tmp_path) == [lock_file]
    job._context.claims_of(job.job_id).close()
    assert lock_files(tmp_path) == []
    assert kept.index == 0


def test_lock_files_of_killed_runners_are_swept_by_the_next_open(
    job: Job, children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """Lock files of killed runners do not accumulate."""
    for _ in range(3):
        children.run(CLAIM, "talk.srt", 1, "is killed", code=-9)
    assert 1 <= len(lock_files(tmp_path)) <= 3
    open_store()
    assert lock_files(tmp_path) == []
    assert job.progress().completed_chunks == 0


def test_a_store_that_is_never_closed_holds_nothing(job: Job, open_store: Opener, tmp_path: Path) -> None:
    """Garbage that was collected keeps no chunk."""
    lost = CheckpointStore(tmp_path / "talks.db")
    other = lost.latest_job()
    assert other is not None
    kept = next(other.pending())
    assert kept.index == 0
    with pytest.warns(ResourceWarning, match="never closed"):
        del lost, other, kept
    assert lock_files(tmp_path) == []
    assert next(job.pending()).index == 0


@pytest.mark.slow
def test_opening_and_starting_at_once_takes_no_lock_file_away(open_store: Opener, children: Children) -> None:
    """While one process becomes a runner again and again, others sweep: each runner's lock file stays."""
    open_store().open_job("many", total_chunks=400)
    assert children.together(4, program(__file__, "become_runner")) == ["0\n"] * 4


# -- failures


def test_a_chunk_that_failed_three_times_is_passed_over_until_it_is_freed(job: Job, tmp_path: Path) -> None:
    """A chunk that failed three times is passed over until ``retry_failed``."""
    for number in (1, 2, 3):
        chunk = next(job.pending())
        assert (chunk.index, chunk.attempt.number) == (0, number)  # type: ignore[union-attr]
        chunk.fail(ValueError(f"no {number}"))
    assert [chunk.index for chunk in job.pending()] == [1, 2, 3, 4, 5]
    (failed,) = job.failed_chunks()
    assert (failed.chunk_index, failed.attempt, failed.error, failed.is_last) == (0, 3, "ValueError: no 3", True)
    assert rows(tmp_path / "talks.db", "SELECT chunk_index, attempts, error FROM failed_chunks") == [
        (0, 3, "ValueError: no 3")
    ]
    assert job._execution.recorded.failure_counts() == (1, 0)
    assert job.retry_failed(1, 2) == 0
    assert job.retry_failed() == 1
    assert job.failed_chunks() == []
    again = next(job.pending())
    assert (again.index, again.attempt.number) == (0, 4)  # type: ignore[union-attr]
    again.complete("at last")
    assert rows(tmp_path / "talks.db", "SELECT outcome FROM attempts WHERE chunk_index = 0 ORDER BY number") == [
        ("failed",),
        ("failed",),
        ("failed",),
        ("completed",),
    ]


def test_a_chunk_can_fail_without_a_claim(job: Job) -> None:
    """``fail_chunk`` takes an index without a claim, and a later completion ends the failure."""
    for number in range(3):
        job.fail_chunk(2, f"no {number}")
    assert [record.chunk_index for record in job.failed_chunks()] == [2]
    job.complete(2, "by hand")
    assert job.failed_chunks() == []
    with pytest.raises(ChunkAlreadyCompleted):
        job.fail_chunk(2, "no")
    with pytest.raises(ChunkOutOfRange):
        job.fail_chunk(TOTAL, "no")
    with pytest.raises(ChunkOutOfRange):
        job.retry_failed(TOTAL)


def test_a_failure_reported_from_outside_frees_no_chunk_that_is_in_hand(job: Job, open_store: Opener) -> None:
    """The one who works on it still has it."""
    kept = next(job.pending())
    other = open_store().latest_job()
    assert other is not None
    other.fail_chunk(0, "from outside")
    assert next(other.pending()).index == 1
    kept.complete("x")
    assert job.result(0) == "x"


def test_no_secret_is_kept_of_an_error(job: Job, tmp_path: Path) -> None:
    """A secret in the text of an error is replaced before the error is stored."""
    from conftest import SECRET, files_with

    job.fail_chunk(0, RuntimeError(f"bad key {SECRET}"))
    assert files_with(tmp_path, SECRET) == []


def test_max_attempts_counts_the_tries_that_killed_their_process(job: Job, children: Children) -> None:
    """A poison chunk cannot loop for ever; without ``max_attempts`` it is given out again."""
    for _ in range(3):
        children.run(program(__file__, "poison"), 0, code=-9)
    children.run(program(__file__, "poison"), 4, code=-9)
    assert children.run(program(__file__, "poison"), 4) == ""
    (failed,) = job.failed_chunks()
    assert (failed.chunk_index, failed.outcome) == (0, "abandoned")
    assert failed.error == "its process ended before it gave a result"
    assert [chunk.index for chunk in job.pending()] == [1, 2, 3, 4, 5]
    assert job.retry_failed() == 1
    assert next(job.pending()).index == 0


# -- pause


@pytest.mark.slow
def test_a_pause_ends_running_loops_within_a_second(store: CheckpointStore, children: Children) -> None:
    """A pause from another thread or process ends a loop of quick chunks, without a query for each chunk."""
    job = store.open_job("long", total_chunks=1_000_000)
    ask_pause = program(__file__, "ask_pause")
    for asked_by in ("thread", "process"):
        looks, done = 0, 0
        asked: list[float] = []
        claims = job._execution.claims
        original = claims.last_pause

        def counted(original: Any = original) -> int:
            nonlocal looks
            looks += 1
            return original()  # type: ignore[no-any-return]

        claims.last_pause = counted  # type: ignore[method-assign]
        helper = children.start(ask_pause, "pause")

        def ask(by: str = asked_by, helper: Any = helper, asked: Any = asked) -> None:
            time.sleep(0.3)
            if by == "thread":
                asked.append(time.monotonic())
                job.pause()
            else:
                children.finish(helper, "go\n")
                asked.append(time.monotonic())

        thread = threading.Thread(target=ask)
        thread.start()
        began = time.monotonic()
        for chunk in job.pending():
            chunk.complete(1)
            done += 1
        ended = time.monotonic()
        thread.join()
        claims.last_pause = original  # type: ignore[method-assign]
        assert done > 0
        looks_max = (ended - began) / PAUSE_CHECK_INTERVAL_SECONDS + 2  # by the clock, and after the pause
        assert looks <= looks_max, "not by the chunk"
        assert ended - asked[0] < 5, "a hang, not a second"
        assert job.status == "paused"
    children.finish(children.start(ask_pause, "resume"), "go\n")
    assert job.status == "running"
    assert next(job.pending()).index > 0


@each_case("workers, through", [(0, "this object"), (1, "this object"), (1, "another object"), (3, "this object")])
def test_after_a_pause_the_loops_of_the_process_start_no_chunk(
    store: CheckpointStore, open_store: Opener, workers: int, through: str
) -> None:
    """A pause by the same process ends a loop of quick chunks after the chunks in hand. Zero workers: ``pending()``."""
    job = store.open_job(f"{workers} {through}", total_chunks=300)
    pausing = job if through == "this object" else open_store().job(job.job_id)
    loop: Iterator[Any] = job.map(str, workers=workers, on_pause="return") if workers else job.pending()
    next(loop)
    pausing.pause()
    assert len(list(loop)) < max(1, workers)
    assert job.status == "paused"


@pytest.mark.slow
def test_a_pause_of_the_past_ends_no_loop(job: Job) -> None:
    """A loop heeds the wishes since its beginning, and none that was taken back."""
    job.pause()
    assert [chunk.index for chunk in job.pending()] == list(range(TOTAL))
    loop = job.pending()
    next(loop)
    job.pause()
    job.resume()
    time.sleep(0.3)
    assert next(loop).index == 1


def test_leaving_early_does_not_pause_a_job_others_work_on(job: Job, children: Children) -> None:
    """``with job:`` ends this runner's part; the last one to leave says how the job ends."""
    process = children.start(CLAIM, "talk.srt", 1, "waits")
    children.next_line(process)
    with job:
        next(job.pending()).complete("x")
    assert job.status == "running"
    with pytest.raises(ValueError, match="boom"), job:
        raise ValueError("boom")
    assert (job.status, job.error_message) == ("running", None)
    children.finish(process, "go\n")
    with job:
        pass
    assert job.status == "paused"


def test_leaving_early_takes_nothing_from_other_threads(job: Job, open_store: Opener) -> None:
    """A thread that ends its ``with job:`` leaves what another thread of this store object has in hand."""
    go, ready = threading.Event(), threading.Event()
    result: list[str] = []

    def work() -> None:
        chunk = next(loop := job.pending())
        ready.set()
        go.wait(60)
        chunk.complete("x")
        result.append(job.status)
        del loop

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    with job:
        next(job.pending()).complete("y")
    other = open_store().latest_job()
    assert other is not None
    assert next(other.pending()).index == 2
    go.set()
    thread.join()
    assert result == ["running"]


def test_a_job_that_is_deleted_under_a_loop_is_named(job: Job, open_store: Opener) -> None:
    """The loop ends with JobNotFound, and leaves no row behind."""
    loop = job.pending()
    chunk = next(loop)
    open_store().delete_job(job.job_id)
    with pytest.raises(JobNotFound):
        chunk.complete("x")
    with pytest.raises(JobNotFound):
        list(loop)
    with pytest.raises(JobNotFound):
        job.fail_chunk(0, "x")
    with pytest.raises(JobNotFound):
        list(job.pending())
    store = open_store()
    assert store.check() == []
    assert rows(store.path, "SELECT count(*) FROM attempts UNION ALL SELECT count(*) FROM runners") == [(0,), (0,)]


def test_a_read_only_store_claims_nothing(job: Job, open_store: Opener, tmp_path: Path) -> None:
    """``pending()`` says what is left, and no file is touched."""
    job.complete(1, "x")
    reading = open_store(read_only=True).latest_job()
    assert reading is not None
    chunks = list(reading.pending())
    assert [chunk.index for chunk in chunks] == [0, 2, 3, 4, 5]
    assert {chunk.attempt for chunk in chunks} == {None}
    assert lock_files(tmp_path) == []
    assert rows(tmp_path / "talks.db", "SELECT count(*) FROM attempts") == [(0,)]


# -- the views, and what works beside claims


def test_the_views_say_what_is_so(job: Job, children: Children, tmp_path: Path) -> None:
    """``job_progress``, ``running_now`` and ``job_costs`` at the sqlite3 prompt, whose pages are read by another process."""
    loop = job.pending()
    next(loop).complete({"cost": 0.5, "input_tokens": 10, "output_tokens": 3})
    next(loop).complete({"cost": "much", "input_tokens": 1.5})
    kept = next(loop)
    assert children.run(program(__file__, "print_views")).splitlines() == [
        "job_progress {'completed': 2, 'total': 6, 'left': 4, 'percent': 33.3}",
        f"running_now {{'chunk_index': 2, 'attempt': 1, 'pid': {os.getpid()}}}",
        "job_costs {'results': 2, 'priced': 1, 'cost': 0.5, 'input_tokens': 10, 'output_tokens': 3}",
    ]
    assert [record.chunk_index for record in job.running_chunks()] == [2]
    assert kept.index == 2


def test_completing_without_a_claim_is_legal_beside_loops(job: Job, open_store: Opener) -> None:
    """complete, complete_many and replace, of chunks in this hand, in another one's, and in none."""
    other = open_store().latest_job()
    assert other is not None
    mine, theirs = next(job.pending()), next(other.pending())
    assert (mine.index, theirs.index) == (0, 1)
    job.complete_many([(0, "a"), (1, "b"), (2, "c")])
    theirs.complete("b")
    with pytest.raises(ChunkAlreadyCompleted):
        theirs.complete("B")
    theirs.complete("B", replace=True)
    job.complete(0, "A", replace=True)
    assert list(job.items()) == [(0, "A"), (1, "B"), (2, "c")]
    assert [chunk.index for chunk in other.pending()] == [3, 4, 5]
    assert rows(open_store().path, "SELECT chunk_index, outcome FROM attempts WHERE chunk_index < 2") == [
        (0, "completed"),
        (1, "completed"),
    ]


def test_a_manager_works_beside_claims(tmp_path: Path) -> None:
    """StateManager completes by index, whatever loops there are, and a loop passes over what it did."""
    with CheckpointStore(tmp_path / "state.db", state_file=tmp_path / "state.json") as store:
        job = store.open_job("talk.srt", total_chunks=3)
        loop = job.pending()
        kept = next(loop)
        with StateManager(tmp_path / "state.json") as manager:
            manager.update_chunk_complete(0, "manager's")
            manager.update_chunk_complete(1, "manager's")
        with pytest.raises(ChunkAlreadyCompleted):
            kept.complete("mine")
        assert [chunk.index for chunk in loop] == [2]


def test_attempts_cost_a_plain_loop_one_row_each(job: Job, tmp_path: Path) -> None:
    """Number, outcome and seconds; times in order."""
    for chunk in job.pending():
        chunk.complete(1)
    job._context.claims_of(job.job_id).close()
    columns = "chunk_index, number, outcome, counted, is_last, seconds >= 0, started_at <= finished_at"
    found = rows(tmp_path / "talks.db", f"SELECT {columns} FROM attempts")
    assert found == [(index, 1, "completed", 1, 0, 1, 1) for index in range(TOTAL)]
    ((ended, started),) = rows(tmp_path / "talks.db", "SELECT ended_at IS NOT NULL, pid FROM runners")
    assert (ended, started) == (1, os.getpid())


def test_an_interrupt_at_the_end_of_a_loop_leaves_no_chunk_claimed(
    job: Job, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another loop begins the chunks that the interrupted loop had claimed and not started."""
    queue = job._execution.queue()
    chunks = queue.take(2)

    class Interrupted(set[Any]):
        def discard(self, _: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(queue.claims.runner, "loops", Interrupted(queue.claims.runner.loops))
    with pytest.raises(KeyboardInterrupt):
        queue.close(chunks)
    assert [chunk.index for chunk in open_store().job(job.job_id)._execution.queue().take(2)] == [0, 1]
