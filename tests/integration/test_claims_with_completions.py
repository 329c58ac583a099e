"""A loop that works on one chunk at a time has the next one claimed in the transaction of the completion before."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import BudgetReached, JobPaused
from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.storage.connection.wal_frames import frames

from .claims_tools import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL = 12
KILLS = program(__file__, "kill_between_chunks")


@pytest.fixture(autouse=True)
def slow_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are claimed one at a time, as where each takes long, and a loop comes back at once, however busy we are."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 1e9)


@pytest.fixture
def plain(open_store: Opener) -> CheckpointStore:
    """A store without a state file: all that is written is in its WAL."""
    return open_store(state_file=None)


@pytest.fixture
def job(plain: CheckpointStore) -> Job:
    """A job of a dozen chunks."""
    return plain.open_job("talk.srt", total_chunks=TOTAL)


def commits(path: Path) -> int:
    """How many transactions the WAL holds: each ends with a frame that says how large the file is."""
    return sum(frame.size > 0 for frame in frames(path.with_name(f"{path.name}-wal")))


def attempts(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "SELECT chunk_index, number, outcome FROM attempts ORDER BY 1, 2")


def claimed(path: Path) -> list[int]:
    return [index for (index,) in rows(path, "SELECT chunk_index FROM attempts WHERE outcome = 'running'")]


def completed(count: int) -> list[tuple[Any, ...]]:
    return [(index, 1, "completed") for index in range(count)]


def by_pending(job: Job) -> Iterator[int]:
    for chunk in job.pending():
        chunk.complete("x")
        yield chunk.index


def by_map(job: Job) -> Iterator[int]:
    return (item.index for item in job.map(str))


def by_amap(job: Job) -> Iterator[int]:
    async def all_of_them() -> list[int]:
        return [item.index async for item in job.amap(_answer, workers=1)]

    return iter(asyncio.run(all_of_them()))


async def _answer(_: object) -> str:
    return "x"


LOOPS = pytest.mark.parametrize("loop", [by_pending, by_map], ids=["pending", "map"])


@pytest.mark.parametrize("loop", [by_pending, by_map, by_amap], ids=["pending", "map", "amap"])
def test_a_chunk_is_one_commit(plain: CheckpointStore, job: Job, loop: Callable[[Job], Iterator[int]]) -> None:
    """The completion of a chunk and the claim of the next one are durable by one commit, and each chunk is done once."""
    made: list[int] = []
    done = 0
    for index in loop(job):
        made.append(commits(plain.path))
        done += index
    assert done == sum(range(TOTAL))
    if loop is not by_amap:
        assert [after - before for before, after in pairwise(made[1:])] == [1] * (TOTAL - 2)
    assert (
        commits(plain.path) <= TOTAL + 6
    )  # the first claim, the beginning and the end of the runner, the job's status
    assert attempts(plain.path) == completed(TOTAL)


def test_the_next_attempt_is_durable_before_its_work(plain: CheckpointStore, job: Job) -> None:
    """Whoever reads the store while a chunk is in work finds its attempt there."""
    for chunk in job.pending():
        assert claimed(plain.path) == [chunk.index]
        chunk.complete("x")


def test_a_loop_that_does_not_come_back_at_once_claims_by_itself(
    plain: CheckpointStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its caller does between two chunks may take long: no chunk waits for that."""
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 0.0)
    for chunk in job.pending():
        chunk.complete("x")
        assert claimed(plain.path) == []


@LOOPS
def test_a_loop_that_is_left_frees_the_next_chunk(
    plain: CheckpointStore, job: Job, loop: Callable[[Job], Iterator[int]]
) -> None:
    """After a break nothing is claimed, no try is used up, and the next loop goes on with the next chunk."""
    for index in loop(job):
        if index == 4:
            break
    assert attempts(plain.path) == completed(5)
    assert list(loop(job)) == list(range(5, TOTAL))
    assert attempts(plain.path) == completed(TOTAL)


def test_an_exception_after_a_completion_frees_the_next_chunk(plain: CheckpointStore, job: Job) -> None:
    """The caller's own error is no failure of the chunk that was to follow."""

    def fails_after_chunk_four() -> None:
        for index in by_pending(job):
            1 // (4 - index)

    with pytest.raises(ZeroDivisionError):
        fails_after_chunk_four()
    assert (attempts(plain.path), job.in_doubt_chunks()) == (completed(5), [])


@LOOPS
def test_a_pause_frees_the_next_chunk(
    plain: CheckpointStore,
    open_store: Opener,
    job: Job,
    loop: Callable[[Job], Iterator[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pause that another process asks for after a completion ends the loop before the next chunk."""
    monkeypatch.setattr(chunk_queue, "PAUSE_CHECK_INTERVAL_SECONDS", -1.0)
    other = open_store(state_file=None).job(job.job_id)
    with suppress(JobPaused):
        for index in loop(job):
            if index == 4:
                other.pause()
    assert (attempts(plain.path), job.status) == (completed(5), "paused")


def test_a_budget_that_is_used_up_frees_the_next_chunk(plain: CheckpointStore, job: Job) -> None:
    """The chunk that no longer fits is as if nobody had claimed it, and reserves nothing."""
    with pytest.raises(BudgetReached):
        for _ in job.map(lambda _: {"cost": 1.0}, max_cost=5.0):
            pass
    assert attempts(plain.path) == completed(5)


@pytest.mark.parametrize("stop", [{"stop_when": True}, {"deadline_seconds": 0.01}], ids=str)
def test_a_limit_frees_the_next_chunk(plain: CheckpointStore, job: Job, stop: dict[str, Any]) -> None:
    """A loop that its caller or its deadline stops leaves no chunk claimed."""
    begun: list[int] = []
    options = {"stop_when": lambda: len(begun) == 5} if "stop_when" in stop else stop

    def work(index: int) -> str:
        begun.append(index)
        threading.Event().wait(0.005)
        return "x"

    with pytest.raises(JobPaused):
        for _ in job.map(work, **options):
            pass
    assert attempts(plain.path) == completed(len(begun))


def test_a_failure_that_ends_the_loop_leaves_nothing_claimed(plain: CheckpointStore, job: Job) -> None:
    """A chunk that used up its tries stops the loop; the one behind it is free and untried."""

    def work(index: int) -> str:
        if index == 4:
            raise ValueError("no")
        return "x"

    with pytest.raises(ValueError, match="no"):
        list(job.map(work, max_attempts=1))
    assert attempts(plain.path)[:5] == [*completed(4), (4, 1, "failed")]
    assert claimed(plain.path) == []


def test_closing_the_store_frees_the_next_chunk(plain: CheckpointStore, open_store: Opener, job: Job) -> None:
    """A loop that is left standing after a completion keeps nothing once its store is closed."""
    standing = by_pending(job)
    assert [next(standing) for _ in range(5)] == list(range(5))
    assert claimed(plain.path) == [5]
    plain.close()
    again = open_store(state_file=None).job(job.job_id)
    assert (attempts(plain.path), again.in_doubt_chunks()) == (completed(5), [])
    assert list(by_pending(again)) == list(range(5, TOTAL))


def test_another_loop_takes_over_what_a_standing_loop_has_not_begun(plain: CheckpointStore, job: Job) -> None:
    """Two loops of one process: the second passes over nothing, and each chunk is worked on once."""
    standing = by_pending(job)
    assert [next(standing) for _ in range(5)] == list(range(5))
    assert list(by_pending(job)) == list(range(5, TOTAL))
    assert list(standing) == []
    assert attempts(plain.path) == completed(TOTAL)


def test_a_chunk_that_is_completed_by_hand_is_not_handed_out(plain: CheckpointStore, job: Job) -> None:
    """A chunk that is completed by hand is not handed out, and its claimed attempt becomes the completed attempt."""
    standing = by_pending(job)
    assert [next(standing) for _ in range(5)] == list(range(5))
    job.complete(5, "by hand")
    assert list(standing) == list(range(6, TOTAL))
    assert attempts(plain.path) == completed(TOTAL)


def test_a_chunk_that_another_process_completes_is_not_handed_out(
    plain: CheckpointStore, open_store: Opener, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that stood for a while looks first whether its next chunk is complete by now."""
    standing = by_pending(job)
    assert [next(standing) for _ in range(5)] == list(range(5))
    open_store(state_file=None).job(job.job_id).complete(5, "by hand")
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 0.0)
    assert list(standing) == list(range(6, TOTAL))
    assert (claimed(plain.path), job.in_doubt_chunks()) == ([], [])


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_an_interrupted_completion_leaves_nothing_claimed(
    plain: CheckpointStore, job: Job, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Once its loop has ended, the runner ends, and the next chunk is free, wherever the interrupt came."""
    storage: Any = plain._context.storage
    complete = storage.complete

    def interrupted(*arguments: Any) -> bool:
        if when == "after the commit":
            complete(*arguments)
        raise KeyboardInterrupt

    loop = job.pending()
    next(loop).complete("x")
    chunk = next(loop)
    monkeypatch.setattr(type(storage), "complete", lambda _, *arguments: interrupted(*arguments))
    with pytest.raises(KeyboardInterrupt):
        chunk.complete("x")
    monkeypatch.undo()
    loop.close()
    del chunk
    assert claimed(plain.path) == []
    assert not job._execution.claims.runner.is_registered


def test_what_was_never_claimed_along_keeps_no_runner(plain: CheckpointStore, job: Job) -> None:
    """An interrupt in the moment before the transaction keeps the runner from ending no longer than its loop does."""
    loop = job.pending()
    next(loop).complete("x")
    chunk = next(loop)
    claims = job._execution.claims
    assert claims.along.next_after(chunk.index) is not None
    del chunk
    loop.close()
    assert not claims.runner.is_registered


def test_a_chunk_kept_after_its_loop_claims_nothing(plain: CheckpointStore, job: Job) -> None:
    """A chunk that is completed once its loop has ended is the end of that."""
    loop = job.pending()
    for chunk in loop:
        if chunk.index == 4:
            break
        chunk.complete("x")
    del loop
    chunk.complete("x")
    assert attempts(plain.path) == completed(5)


def test_chunks_in_several_hands_are_claimed_by_their_loop(plain: CheckpointStore, job: Job) -> None:
    """A caller that keeps several chunks in hand has each claimed as it asks for it, and none besides."""
    loop = job.pending()
    one, two = next(loop), next(loop)
    one.complete("x")
    assert claimed(plain.path) == [1]
    two.complete("x")
    assert len(claimed(plain.path)) <= 1


def test_a_tried_chunk_is_claimed_by_a_search(plain: CheckpointStore, job: Job) -> None:
    """A chunk that failed before gets the number of its next try, one that is failed or complete is passed over."""
    job.fail_chunk(5, "no")
    for _ in range(3):
        job.fail_chunk(7, "no")
    job.complete(9, "before")
    assert list(by_pending(job)) == [0, 1, 2, 3, 4, 5, 6, 8, 10, 11]
    assert [number for index, number, _ in attempts(plain.path) if index == 5] == [1, 2]
    assert claimed(plain.path) == []


def test_a_sequential_job_is_done_in_order(plain: CheckpointStore) -> None:
    """Each chunk is claimed along with the one before it, and finds its result."""
    job = plain.open_job("book.srt", chunks=[f"page {index}" for index in range(TOTAL)], sequential=True)
    found: list[Any] = []
    for chunk in job.pending():
        found.append(chunk.previous)
        chunk.complete(chunk.index)
        assert claimed(plain.path) == ([chunk.index + 1] if 0 < chunk.index < TOTAL - 1 else claimed(plain.path))
    assert found == [None, *range(TOTAL - 1)]
    assert attempts(plain.path) == completed(TOTAL)


@LOOPS
def test_quick_work_on_a_sequential_job_takes_one_commit_for_each_chunk(
    plain: CheckpointStore, monkeypatch: pytest.MonkeyPatch, loop: Callable[[Job], Iterator[int]]
) -> None:
    """The next chunk of a sequential job is claimed along however quick the work is: nothing else claims it ahead."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 1e9)
    job = plain.open_job("book.srt", total_chunks=TOTAL, sequential=True)
    made = [commits(plain.path) for _ in loop(job)]
    assert [after - before for before, after in pairwise(made[1:])] == [1] * (TOTAL - 2)
    assert attempts(plain.path) == completed(TOTAL)


def test_a_shard_claims_nothing_outside_of_it(plain: CheckpointStore, job: Job) -> None:
    """Chunks of another machine's part are never claimed."""
    mine = [0, 1, 2, 5, 6, 9]
    seen: list[int] = []
    for item in job.map(str, only=mine):
        seen.append(item.index)
        assert set(claimed(plain.path)) <= set(mine)
    assert (seen, [index for index, _, _ in attempts(plain.path)]) == (mine, mine)


def test_a_job_that_grows_is_worked_on_to_its_new_end(plain: CheckpointStore) -> None:
    """The chunks that come while the loop runs are claimed as those before."""
    texts = [f"line {index}" for index in range(TOTAL)]
    job = plain.open_job("talk.srt", chunks=texts[:5])
    seen: list[int] = []
    for chunk in job.pending():
        seen.append(chunk.index)
        if chunk.index == 4:
            plain.open_job("talk.srt", chunks=texts, on_change="extend")
        chunk.complete("x")
    assert (seen, attempts(plain.path)) == (list(range(TOTAL)), completed(TOTAL))


def test_two_store_objects_do_each_chunk_once(plain: CheckpointStore, open_store: Opener, job: Job) -> None:
    """Two loops that claim along with their completions share a job."""
    other = open_store(state_file=None).job(job.job_id)
    worked_on: list[int] = []
    barrier = threading.Barrier(2)

    def run(which: Job) -> None:
        barrier.wait(60)
        for chunk in which.pending(wait=True):
            worked_on.append(chunk.index)
            chunk.complete("x")

    threads = [threading.Thread(target=run, args=(which,)) for which in (job, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(worked_on) == list(range(TOTAL))
    assert attempts(plain.path) == completed(TOTAL)


def _kill_at_places(children: Children, step: int) -> None:
    points, wrong = json.loads(children.run(KILLS, step).splitlines()[-1])
    print(f"FIGURES killed between chunks: points={points} step={step} wrong={len(wrong)}")
    assert (points > 60 // step, wrong) == (True, [])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_kill_between_two_chunks_uses_up_no_try(children: Children) -> None:
    """Killed after a completion and before the work on the next chunk, that chunk is free, untried and not in doubt."""
    _kill_at_places(children, 13)


@pytest.mark.storm
def test_a_kill_at_each_place_between_two_chunks_uses_up_no_try(children: Children) -> None:
    """A kill at any call of Python between two chunks uses up no try of the second chunk."""
    _kill_at_places(children, 1)
