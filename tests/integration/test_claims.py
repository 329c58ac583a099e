"""Several loops on one job: each chunk to one of them, and no clock says who is alive."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    CheckpointStore,
    ChunkAlreadyCompleted,
    ChunkOutOfRange,
    Job,
    JobBusy,
    JobNotFound,
    StateManager,
)
from checkpoint_store import scope as scope_module
from checkpoint_store._db.engine import Database
from checkpoint_store.state import parse_time

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

TOTAL = 6


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the sqlite3 prompt would say, asked of a copy: to close the live file here would drop this process's locks."""
    reading = CheckpointStore(path, read_only=True)
    try:
        return reading._open.read(lambda connection: [tuple(row) for row in connection.exec_driver_sql(statement)])
    finally:
        reading.close()


def signs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.runner-*"))


HOLDER = """
import sys, time
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
job = store.latest_job()
kept = []
for chunk in job.pending():
    kept.append(chunk)
    if len(kept) == int(sys.argv[1]):
        break
print(*(chunk.index for chunk in kept), flush=True)
"""
WAITS = HOLDER + "sys.stdin.readline()\n"


# -- one chunk, one loop


def test_two_store_objects_share_a_job_chunk_by_chunk(job: Job, open_store: Opener) -> None:
    """What one loop has in hand the other passes over, and each chunk is given out once."""
    other = open_store().latest_job()
    assert other is not None
    mine, theirs, seen = job.pending(), other.pending(), []
    for loop in (mine, theirs) * (TOTAL // 2):
        chunk = next(loop)
        seen.append(chunk.index)
        chunk.complete("x")
    assert (seen, next(mine, None), next(theirs, None)) == (list(range(TOTAL)), None, None)


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
    original = Database._where

    def where(self: Database) -> Any:
        if len(kept) == 2:
            kept.pop(0)
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_where", where)
        job.complete(5, "x")
    assert len(kept) == 1
    other = open_store().latest_job()
    assert other is not None
    assert next(other.pending()).index == 0


@pytest.mark.timeout(60)
def test_a_loop_that_is_thrown_away_during_a_write_waits_for_no_other_thread(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that claims at that moment waits for the write, and the write would wait for it."""
    loops = [job.pending()]
    next(loops[0]).complete("x")
    other = threading.Thread(target=lambda: next(job.pending()).complete("y"))
    original = Database._where

    def where(self: Database) -> Any:
        if loops and threading.current_thread() is threading.main_thread():
            other.start()
            time.sleep(0.3)
            loops.pop()
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_where", where)
        job.complete(5, "z")
    other.join()
    assert list(job.items()) == [(0, "x"), (1, "y"), (5, "z")]


def test_a_chunk_left_undone_is_yielded_by_the_next_loop(job: Job) -> None:
    """Also while the variable of the earlier loop still refers to it."""
    for chunk in job.pending():  # noqa: B007 - left at once
        break
    for again in job.pending():  # noqa: B007 - see above
        break
    assert (chunk.index, again.index) == (0, 0)
    assert chunk.attempt is not None
    assert again.attempt is not None
    assert (chunk.attempt.number, again.attempt.number) == (1, 1)


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


LOOP = """
with CheckpointStore("talks.db", durability="process") as store, store.latest_job() as job:
    seen = []
    for chunk in job.pending():
        seen.append(chunk.index)
        chunk.complete({"pid": __import__("os").getpid()})
print(*seen)
"""


def test_processes_never_get_the_same_chunk(open_store: Opener, children: Children) -> None:
    """Four processes start at the same moment; together they do each chunk once."""
    job = open_store().open_job("many", total_chunks=200)
    seen = [int(word) for printed in children.together(4, LOOP) for word in printed.split()]
    assert sorted(seen) == list(range(200))
    assert job.status == "completed"


def test_a_loop_that_waits_takes_what_another_lets_go_of(job: Job, children: Children) -> None:
    """``wait=True`` stays until the chunks in other hands are complete, or free."""
    process = children.start(WAITS, 1)
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
    """For a loop that is running and for a new one; until it is done it is in doubt, in the list and in the view."""
    running = job.pending()
    next(running).complete("x")
    process = children.start(WAITS, 3)
    assert children.next_line(process) == "1 2 3"
    process.kill()
    process.wait()
    first = next(running)
    assert first.index == 1
    assert [record.chunk_index for record in job.in_doubt_chunks()] == [2, 3]
    assert job.trouble() == (0, 2)
    view = "SELECT chunk_index, attempt, host, pid FROM in_doubt_chunks"
    assert rows(tmp_path / "talks.db", view) == [(index, 1, socket.gethostname(), process.pid) for index in (2, 3)]
    second = next(job.pending())
    assert (second.index, second.attempt.number) == (2, 2)  # type: ignore[union-attr]
    job.complete_many((index, index) for index in range(1, TOTAL))
    assert (job.in_doubt_chunks(), job.trouble(), rows(tmp_path / "talks.db", view)) == ([], (0, 0), [])
    columns = "SELECT outcome, counted FROM attempts WHERE number = 1 AND chunk_index IN (1, 2, 3)"
    assert rows(tmp_path / "talks.db", columns) == [("abandoned", 1)] * 3


def test_a_stopped_runners_chunk_is_not_taken(job: Job, children: Children) -> None:
    """SIGSTOP is what a sleeping laptop is; after SIGCONT its result stands."""
    source = WAITS + "chunk.complete('late')\nprint('done', flush=True)\nstore.close()"
    process = children.start(source, 1)
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)
    for chunk in job.pending():
        chunk.complete("mine")
    assert job.progress().remaining_chunks == 1
    process.send_signal(signal.SIGCONT)
    children.finish(process, "go\n")
    assert (job.result(0), job.status) == ("late", "completed")


def test_who_comes_back_from_the_dead_cannot_overwrite(job: Job, children: Children) -> None:
    """Another completed the chunk meanwhile, without a claim; its result stays, and the late one is refused."""
    source = WAITS + (
        "from checkpoint_store import ChunkAlreadyCompleted\n"
        "try:\n    chunk.complete('late')\nexcept ChunkAlreadyCompleted as error:\n    print(error.chunk_index)\n"
        "store.close()"
    )
    process = children.start(source, 1)
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)
    job.complete(0, "first")
    process.send_signal(signal.SIGCONT)
    assert children.finish(process, "go\n") == "0\n"
    assert job.result(0) == "first"


FORKED = """
import os, sys
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db", state_file=None) as store:
    job = store.latest_job()
    loop = job.pending()
    chunk = next(loop)
    out, told = os.pipe()
    child = os.fork()
    if child == 0:
        del chunk, loop
        other = next(job.pending())
        os.write(told, f"{other.index} {len(job.running_chunks())}".encode())
        other.complete("child")
        store.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(status, os.read(out, 99).decode())
    from checkpoint_store._db import attempts
    with CheckpointStore("talks.db", state_file=None) as second:
        print(next(second.latest_job().pending()).index)
    chunk.complete("parent")
    print(job.result(0), job.result(1))
"""


def test_a_fork_has_nothing_of_its_parents_in_hand(job: Job, children: Children) -> None:
    """The child does not free what the parent works on, and claims by itself; the parent goes on."""
    assert children.run(FORKED).splitlines() == ["0 1 2", "2", "parent child"]
    assert job.progress().completed_chunks == 2


def test_a_child_that_outlives_its_killed_parent_holds_nothing_of_it(job: Job, children: Children) -> None:
    """The lock that shows life is not inherited."""
    source = HOLDER + (
        "import os\n"
        "if os.fork() == 0:\n    os.close(1)\n    os.close(2)\n    time.sleep(60)\n    os._exit(0)\n"
        "os.kill(os.getpid(), 9)"
    )
    children.run(source, 1, code=-9)
    assert next(job.pending()).index == 0


# -- exclusive


def test_exclusive_refuses_a_second_runner(store: CheckpointStore, job: Job, children: Children) -> None:
    """The error says who has it, where, and since when; when that one is gone, the job is free."""
    source = """
import sys
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
store.open_job("talk.srt", total_chunks=6, exclusive=True)
store.open_job("talk.srt", total_chunks=6, exclusive=True)
print("here", flush=True)
sys.stdin.readline()
"""
    process = children.start(source)
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
    """Whatever loops begin and end in it."""
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
    job.work.claims.close()
    with wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True) as alone:
        alone.pause()
        with pytest.raises(JobBusy):
            list(job.map(str))
        assert job.status == "paused"


def test_exclusive_is_refused_while_others_are_at_work(job: Job, open_store: Opener) -> None:
    """And granted when they have ended; the same store object may ask twice."""
    working, wanting = job.pending(), open_store()
    next(working)
    with pytest.raises(JobBusy) as caught:
        wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    assert caught.value.pid == os.getpid()
    with job:
        pass
    for _ in range(2):
        wanting.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    with pytest.raises(JobBusy):
        next(job.pending())


# -- the files


def test_lock_files_are_private_and_gone_after_close(job: Job, open_store: Opener, tmp_path: Path) -> None:
    """``*.runner-*`` is 0600 whatever the umask; a killed one's is removed by the next open."""
    before = os.umask(0)
    try:
        kept = next(job.pending())
    finally:
        os.umask(before)
    (sign,) = signs(tmp_path)
    assert stat.S_IMODE(sign.stat().st_mode) == 0o600
    open_store()
    assert signs(tmp_path) == [sign]
    job._room.claims[job.job_id].close()
    assert signs(tmp_path) == []
    assert kept.index == 0


def test_lock_files_of_killed_runners_are_swept_by_the_next_open(
    job: Job, children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """Nothing accumulates."""
    for _ in range(3):
        children.run(HOLDER + "import os\nos.kill(os.getpid(), 9)", 1, code=-9)
    assert 1 <= len(signs(tmp_path)) <= 3
    open_store()
    assert signs(tmp_path) == []
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
    assert signs(tmp_path) == []
    assert next(job.pending()).index == 0


def test_opening_and_starting_at_once_takes_no_lock_file_away(open_store: Opener, children: Children) -> None:
    """While one process becomes a runner again and again, others sweep: each runner's sign stays."""
    open_store().open_job("many", total_chunks=400)
    source = """
import sys
failed = 0
for round in range(25):
    with CheckpointStore("talks.db", durability="process", state_file=None) as store:
        job = store.latest_job()
        for chunk in job.pending():
            sign = store._room.claims[job.job_id]._sign.path
            failed += not sign.exists()
            chunk.complete(chunk.index)
            break
print(failed)
"""
    assert children.together(4, source) == ["0\n"] * 4


# -- failures


def test_a_chunk_that_failed_three_times_is_passed_over_until_it_is_freed(job: Job, tmp_path: Path) -> None:
    """To go on and to retry what failed are two wishes."""
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
    assert job.trouble() == (1, 0)
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
    """By its index alone; a failed chunk that someone completes all the same is failed no more."""
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
    """It is replaced."""
    from conftest import SECRET, files_with

    job.fail_chunk(0, RuntimeError(f"bad key {SECRET}"))
    assert files_with(tmp_path, SECRET) == []


def test_max_attempts_counts_the_tries_that_killed_their_process(job: Job, children: Children) -> None:
    """A poison chunk cannot loop for ever; without ``max_attempts`` it is given out again."""
    source = """
import os, sys
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
for chunk in store.latest_job().pending(max_attempts=int(sys.argv[1]) or None):
    if chunk.index == 0:
        print("poison", flush=True)
        os.kill(os.getpid(), 9)
    break
store.close()
"""
    for _ in range(3):
        children.run(source, 0, code=-9)
    children.run(source, 4, code=-9)
    assert children.run(source, 4) == ""
    (failed,) = job.failed_chunks()
    assert (failed.chunk_index, failed.outcome, failed.error) == (0, "abandoned", None)
    assert [chunk.index for chunk in job.pending()] == [1, 2, 3, 4, 5]
    assert job.retry_failed() == 1
    assert next(job.pending()).index == 0


# -- pause


def test_a_pause_ends_running_loops_within_a_second(store: CheckpointStore, children: Children) -> None:
    """From another thread and from another process, while chunks are quick, without a query for each."""
    job = store.open_job("long", total_chunks=1_000_000)
    source = """
import sys
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db") as store:
    job = store.latest_job()
    job.resume() if sys.argv[1] == "resume" else job.pause()
"""
    for asked_by in ("thread", "process"):
        looks, done = 0, 0
        asked: list[float] = []
        claims = job.work.claims
        original = claims.last_pause

        def counted(original: Any = original) -> int:
            nonlocal looks
            looks += 1
            return original()  # type: ignore[no-any-return]

        claims.last_pause = counted  # type: ignore[method-assign]
        helper = children.start("import sys\nsys.stdin.readline()\n" + source, "pause")

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
        assert looks <= (ended - began) / scope_module._LOOK_SECONDS + 1  # by the clock, not by the chunk
        assert ended - asked[0] < 5, "a hang, not a second"
        assert job.status == "paused"
    children.run(source, "resume")
    assert job.status == "running"
    assert next(job.pending()).index > 0


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
    process = children.start(WAITS + "store.close()", 1)
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
    assert signs(tmp_path) == []
    assert rows(tmp_path / "talks.db", "SELECT count(*) FROM attempts") == [(0,)]


# -- the views, and what works beside claims


def test_the_views_say_what_is_so(job: Job, children: Children, tmp_path: Path) -> None:
    """``job_progress``, ``running_now`` and ``job_costs`` at the sqlite3 prompt, whose pages are read by another process."""
    loop = job.pending()
    next(loop).complete({"cost": 0.5, "input_tokens": 10, "output_tokens": 3})
    next(loop).complete({"cost": "much", "input_tokens": 1.5})
    kept = next(loop)
    source = """
import sqlite3
raw = sqlite3.connect("talks.db")
for view in ("job_progress", "running_now", "job_costs", "failed_chunks", "in_doubt_chunks"):
    cursor = raw.execute(f"SELECT * FROM {view}")
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        print(view, {n: v for n, v in zip(names, row) if n in ("completed", "total", "left", "percent", "chunk_index",
              "attempt", "pid", "results", "priced", "cost", "input_tokens", "output_tokens")})
raw.close()
"""
    assert children.run(source).splitlines() == [
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
    job._room.claims[job.job_id].close()
    columns = "chunk_index, number, outcome, counted, is_last, seconds >= 0, started_at <= finished_at"
    found = rows(tmp_path / "talks.db", f"SELECT {columns} FROM attempts")
    assert found == [(index, 1, "completed", 1, 0, 1, 1) for index in range(TOTAL)]
    ((ended, started),) = rows(tmp_path / "talks.db", "SELECT ended_at IS NOT NULL, pid FROM runners")
    assert (ended, started) == (1, os.getpid())
