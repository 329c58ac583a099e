"""Several loops on one job: each chunk to one of them, and no clock says who is alive."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, JobBusy, current_attempt
from checkpoint_store.model.clock import parse_time
from checkpoint_store.storage.connection.file_guard import FileGuard

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener
from .claims_tools import CLAIM, TOTAL, rows


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


# -- one chunk, one loop


def test_two_store_objects_share_a_job_chunk_by_chunk(job: Job, open_store: Opener) -> None:
    """What one loop has in hand the other passes over, and each chunk is given out once."""
    other = open_store().latest_job()
    assert other is not None
    loops, seen = [job.pending(), other.pending()], []
    while loops:  # the last chunk may be claimed with the completion before it, so that the other loop finds none
        for loop in loops.copy():
            chunk = next(loop, None)
            if chunk is None:
                loops.remove(loop)
            else:
                seen.append(chunk.index)
                chunk.complete("x")
    assert sorted(seen) == list(range(TOTAL))


def test_what_is_kept_is_not_given_to_another_runner(job: Job, open_store: Opener) -> None:
    """A chunk is in hand as long as its object is referred to."""
    kept = next(job.pending())
    other = open_store().latest_job()
    assert other is not None
    assert [chunk.index for chunk in other.pending()] == [1, 2, 3, 4, 5]
    assert kept.index == 0


def test_what_is_thrown_away_is_free_at_once(job: Job, open_store: Opener) -> None:
    """No other call is needed to free it."""
    kept = next(job.pending())
    other = open_store().latest_job()
    assert other is not None
    del kept
    gc.collect()
    assert next(other.pending()).index == 0


def test_what_is_thrown_away_during_a_write_is_free_after_it(
    job: Job, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalizer that runs in the middle of a transaction neither waits for it nor forgets the chunk."""
    loop = job.pending()
    kept = [next(loop), next(loop)]
    original = FileGuard.refuse_if_moved

    def where(self: FileGuard, *identities: Any) -> None:
        if len(kept) == 2:
            kept.pop(0)
        original(self, *identities)

    with monkeypatch.context() as patch:
        patch.setattr(FileGuard, "refuse_if_moved", where)
        job.complete(5, "x")
    assert len(kept) == 1
    other = open_store().latest_job()
    assert other is not None
    assert next(other.pending()).index == 0


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_loop_that_is_thrown_away_during_a_write_waits_for_no_other_thread(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that is thrown away during a write does not wait for a thread that claims at that moment."""
    loops = [job.pending()]
    next(loops[0]).complete("x")
    other = threading.Thread(target=lambda: next(job.pending()).complete("y"))
    original = FileGuard.refuse_if_moved

    def where(self: FileGuard, *identities: Any) -> None:
        if loops and threading.current_thread() is threading.main_thread():
            other.start()
            time.sleep(0.3)
            loops.pop()
        original(self, *identities)

    with monkeypatch.context() as patch:
        patch.setattr(FileGuard, "refuse_if_moved", where)
        job.complete(5, "z")
    other.join()
    assert list(job.items()) == [(0, "x"), (1, "y"), (5, "z")]


def test_a_chunk_left_undone_is_yielded_by_the_next_loop(job: Job) -> None:
    """A chunk that was left undone comes again, also while the earlier loop's variable refers to it."""
    for chunk in job.pending():  # noqa: B007 - left at once
        break
    for again in job.pending():  # noqa: B007 - see above
        break
    assert (chunk.index, again.index) == (0, 0)
    assert chunk.attempt is not None
    assert again.attempt is not None
    assert (chunk.attempt.number, again.attempt.number) == (1, 1)


def test_a_body_that_asks_for_the_current_attempt_learns_where_its_attempt_is(job: Job) -> None:
    """``current_attempt`` is for ``map``; in a loop over ``pending`` its error names ``chunk.attempt``, which has the key."""
    chunk = next(iter(job.pending()))
    with pytest.raises(LookupError, match=r"pending\(\) has chunk\.attempt"):
        current_attempt()
    assert chunk.attempt is not None
    assert chunk.attempt.attempt_key


def test_threads_never_get_the_same_chunk(store: CheckpointStore) -> None:
    """Eight loops in one process, on one job object."""
    job = store.open_job("many", total_chunks=300)
    seen: list[int] = []

    def work() -> None:
        for chunk in job.pending():
            seen.append(chunk.index)
            chunk.complete(chunk.index)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(300))
    assert job.status == "completed"


LOOP = program(__file__, "work_through")


@pytest.mark.slow
def test_processes_never_get_the_same_chunk(open_store: Opener, children: Children) -> None:
    """Four processes start at the same moment; together they do each chunk once."""
    job = open_store().open_job("many", total_chunks=200)
    seen = [int(word) for printed in children.together(4, LOOP) for word in printed.split()]
    assert sorted(seen) == list(range(200))
    assert job.status == "completed"


def test_a_loop_that_waits_takes_what_another_lets_go_of(job: Job, children: Children) -> None:
    """``wait=True`` stays until the chunks in other hands are complete, or free."""
    process = children.start(CLAIM, "talk.srt", 1, "waits")
    assert children.next_line(process) == "0"
    seen = []
    for chunk in job.pending(wait=True):
        seen.append(chunk.index)
        chunk.complete("x")
        if len(seen) == TOTAL - 1:
            process.kill()
    assert seen == [1, 2, 3, 4, 5, 0]


def test_a_loop_does_not_wait_for_its_own_thread(job: Job) -> None:
    """What this very thread keeps in hand ends the inner loop; it would wait for ever."""
    outer = job.pending()
    kept = next(outer)
    assert [chunk.index for chunk in job.pending(wait=True)] == [1, 2, 3, 4, 5]
    assert kept.index == 0


# -- kills, stops, forks


def test_a_killed_runners_chunk_is_free_at_once(job: Job, children: Children, tmp_path: Path) -> None:
    """The chunk of a killed runner is free at once for running and new loops, and in doubt until it is done."""
    running = job.pending()
    next(running).complete("x")
    process = children.start(CLAIM, "talk.srt", 3, "waits")
    assert children.next_line(process) == "1 2 3"
    process.kill()
    process.wait()
    first = next(running)
    assert first.index == 1
    assert [record.chunk_index for record in job.in_doubt_chunks()] == [2, 3]
    assert job._execution.recorded.failure_counts() == (0, 2)
    view = "SELECT chunk_index, attempt, host, pid FROM in_doubt_chunks"
    assert rows(tmp_path / "talks.db", view) == [(index, 1, socket.gethostname(), process.pid) for index in (2, 3)]
    second = next(job.pending())
    assert (second.index, second.attempt.number) == (2, 2)  # type: ignore[union-attr]
    job.complete_many((index, index) for index in range(1, TOTAL))
    assert (job.in_doubt_chunks(), job._execution.recorded.failure_counts(), rows(tmp_path / "talks.db", view)) == (
        [],
        (0, 0),
        [],
    )
    columns = "SELECT outcome, counted FROM attempts WHERE number = 1 AND chunk_index IN (1, 2, 3)"
    assert rows(tmp_path / "talks.db", columns) == [("abandoned", 1)] * 3


def test_a_stopped_runners_chunk_is_not_taken(job: Job, children: Children) -> None:
    """SIGSTOP is what a sleeping laptop is; after SIGCONT its result stands."""
    process = children.start(CLAIM, "talk.srt", 1, "completes")
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)
    for chunk in job.pending():
        chunk.complete("mine")
    assert job.progress().remaining_chunks == 1
    process.send_signal(signal.SIGCONT)
    assert children.finish(process, "go\n") == ""
    assert (job.result(0), job.status) == ("late", "completed")


def test_who_comes_back_from_the_dead_cannot_overwrite(job: Job, children: Children) -> None:
    """Another completed the chunk meanwhile, without a claim; its result stays, and the late one is refused."""
    process = children.start(CLAIM, "talk.srt", 1, "completes")
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)
    job.complete(0, "first")
    process.send_signal(signal.SIGCONT)
    assert children.finish(process, "go\n") == "0\n"
    assert job.result(0) == "first"


FORKED = program(__file__, "fork_with_a_claim")


def test_a_fork_has_nothing_of_its_parents_in_hand(job: Job, children: Children) -> None:
    """The child does not free what the parent works on, and claims by itself; the parent goes on."""
    assert children.run(FORKED).splitlines() == ["0 1 2", "2", "parent child"]
    assert job.progress().completed_chunks == 2


def test_a_child_that_outlives_its_killed_parent_holds_nothing_of_it(job: Job, children: Children) -> None:
    """The lock that shows life is not inherited."""
    children.run(CLAIM, "talk.srt", 1, "leaves a child", code=-9)
    assert next(job.pending()).index == 0


# -- exclusive


def test_exclusive_refuses_a_second_runner(store: CheckpointStore, job: Job, children: Children) -> None:
    """The error says who has it, where, and since when; when that one is gone, the job is free."""
    process = children.start(program(__file__, "hold_exclusive"))
    children.next_line(process)
    for call in (
        lambda: store.open_job("talk.srt", total_chunks=TOTAL, exclusive=True),
        lambda: next(job.pending()),
        lambda: list(job.map(str)),
        lambda: job.fail_chunk(0, "x"),
    ):
        with pytest.raises(JobBusy) as caught:
            call()
        assert (caught.value.pid, caught.value.host) == (process.pid, socket.gethostname())
        assert abs(parse_time(caught.value.since).timestamp() - time.time()) < 600
    job.complete(3, "without a claim")
    process.kill()
    process.wait()
    store.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    assert next(job.pending()).index == 0


def test_exclusive_lasts_to_the_end_of_the_with_block(store: CheckpointStore, open_store: Opener) -> None:
    """A job is exclusive to the end of its ``with`` block, whatever loops begin and end in it."""
    other = open_store().open_job("talk.srt", total_chunks=TOTAL)
    with store.open_job("talk.srt", total_chunks=TOTAL, exclusive=True) as job:
        list(job.map(str, stop_when=lambda: job.progress().completed_chunks == 2, on_pause="return"))
        next(job.pending()).complete("x")
        assert job.status == "paused"
        with pytest.raises(JobBusy):
            next(other.pending())
    assert next(other.pending()).index == 3


def test_who_is_refused_changes_nothing(job: Job, open_store: Opener) -> None:
    """A paused job stays paused, and a wish to pause stands."""
    loop, wanting = job.pending(), open_store()
    kept = next(loop)
    job.pause()
    with pytest.raises(JobBusy):
        wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    time.sleep(0.3)
    assert next(loop, None) is None
    assert (job.status, kept.index) == ("paused", 0)
    wanting.open_job("talk.srt", total_chunks=TOTAL)
    job._execution.claims.close()
    with wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True) as alone:
        alone.pause()
        with pytest.raises(JobBusy):
            list(job.map(str))
        assert job.status == "paused"


def test_exclusive_is_refused_while_others_are_at_work(job: Job, open_store: Opener) -> None:
    """``exclusive=True`` is refused while another runner is at work, and granted when that runner has ended.

    The error of a runner of the same process says to end its loop, and not to stop the process, which is the caller's own.
    """
    working, wanting = job.pending(), open_store()
    next(working)
    with pytest.raises(JobBusy, match=r"by this process since \S+\. End its loop .* and call again\.$") as caught:
        wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    assert caught.value.pid == os.getpid()
    working.close()
    with job:
        pass
    for _ in range(2):
        wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    with pytest.raises(JobBusy):
        next(job.pending())


@pytest.mark.timeout(60)
def test_exclusive_opening_ends_the_exclusive_runner_of_a_completed_job(open_store: Opener) -> None:
    """A script over many files runs again: nothing is left of the first file, and the second one opens all the same."""
    open_store().open_job("first.srt", total_chunks=1).complete(0, "x")
    store = open_store(lock_timeout_seconds=1)
    first = store.open_job("first.srt", total_chunks=1, exclusive=True)
    assert store.open_job("second.srt", total_chunks=1, exclusive=True).status != "completed"
    assert not first.is_active
