"""The rate of a job, and the time that is left: over the time in which somebody worked."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState
from checkpoint_store.model import clock

if TYPE_CHECKING:
    from checkpoint_store import Job, StateManager
    from tests.conftest import Opener

MINUTE, NIGHT = 60, 9 * 3600


class Clock:
    """The clock that stores write by; it stands still between two steps."""

    def __init__(self) -> None:
        self.nanoseconds = time.time_ns()

    def time_ns(self) -> int:
        return self.nanoseconds

    def pass_seconds(self, seconds: float) -> None:
        self.nanoseconds += int(seconds * 1e9)

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    made = Clock()
    monkeypatch.setattr(clock, "time", made)
    return made


def work(job: Job, wall: Clock, chunks: int, *, seconds: float = MINUTE) -> None:
    """Do so many chunks with a loop, each in so many seconds."""

    def one(_: object) -> int:
        wall.pass_seconds(seconds)
        return 1

    left = chunks
    for _ in job.map(one, on_pause="return"):
        left -= 1
        if not left:
            break


def rate(job: Job) -> float:
    """The rate to a thousandth: times are kept to the millisecond."""
    per_minute = job.progress().chunks_per_minute
    assert per_minute is not None
    return round(per_minute, 3)


def test_a_night_in_which_nobody_works_changes_no_rate(store: CheckpointStore, wall: Clock) -> None:
    """A chunk a minute before the night is a chunk a minute after it, and so is the time that is left."""
    job = store.open_job("f", chunks=range(10))
    work(job, wall, 3)
    wall.pass_seconds(NIGHT)
    assert rate(job) == 1
    job.pause()  # somebody stops in the morning what ended in the evening
    assert rate(job) == 1
    again = store.open_job("f", chunks=range(10))
    assert (rate(again), again.summary().seconds_left) == (1, 7 * MINUTE)
    wall.pass_seconds(NIGHT)  # opened, and not begun
    work(again, wall, 3)
    assert (rate(again), again.summary().seconds_left) == (1, 4 * MINUTE)


def test_what_is_said_about_an_idle_job_is_no_work(store: CheckpointStore, wall: Clock) -> None:
    """Metadata and a status that come the day after leave the rate as it was."""
    job = store.open_job("f", chunks=range(10))
    work(job, wall, 2)
    for change in (job.pause, lambda: job.set_metadata({"owner": "ana"}), job.resume, lambda: job.fail("no")):
        wall.pass_seconds(NIGHT)
        change()
        assert rate(job) == 1


def test_work_that_is_left_half_done_counts_from_where_it_is_taken_up(
    store: CheckpointStore, open_store: Opener, wall: Clock
) -> None:
    """The time between a kill and the next run is nobody's; the job is marked running all the while."""
    job = store.open_job("f", chunks=range(10))
    work(job, wall, 2)
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("UPDATE jobs SET status = 'running'")  # as a killed process leaves it
    wall.pass_seconds(NIGHT)
    other = open_store().open_job("f", chunks=range(10))
    work(other, wall, 2)
    assert rate(other) == 1


def test_several_runners_share_one_time(store: CheckpointStore, open_store: Opener, wall: Clock) -> None:
    """Two processes at a chunk a minute each are two chunks a minute; a second one that comes restarts nothing."""
    job, other = store.open_job("f", chunks=range(20)), open_store("talks.db")
    first = iter(job.pending())
    ours = next(first)
    theirs = None
    for step in range(4):
        if step == 2:
            second = iter(other.open_job("f", chunks=range(20)).pending())
            theirs = next(second)
        wall.pass_seconds(MINUTE)
        ours.complete(1)
        ours = next(first)
        if theirs is not None:
            theirs.complete(1)
            theirs = next(second)
    assert rate(job) == 6 / 4


@pytest.mark.slow
def test_a_machine_that_sleeps_works_no_slower(
    store: CheckpointStore, open_store: Opener, wall: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A lid that is closed for a night counts for no runner, however many of them wake up."""
    job = store.open_job("f", chunks=range(20))
    work(job, wall, 2)
    caplog.set_level("INFO", "checkpoint_store")
    ours, theirs = (iter(one.map(lambda _: 1)) for one in (job, open_store().job(job.job_id)))
    next(ours)
    next(theirs)
    wall.pass_seconds(NIGHT)
    next(ours)
    next(theirs)
    assert [record.message for record in caplog.records].count(
        f"job {job.job_id}: the machine slept for {NIGHT} s"
    ) == 2
    assert rate(job) == pytest.approx(3, rel=0.01)  # six chunks in two minutes
    ours.close()
    theirs.close()


@pytest.mark.slow
def test_more_workers_than_before_are_soon_noticed(store: CheckpointStore, wall: Clock) -> None:
    """A long slow past does not weigh on a run that goes on ten times as fast."""
    job = store.open_job("f", chunks=range(1000))
    work(job, wall, 400)
    work(job, wall, 1, seconds=6)
    assert rate(job) == pytest.approx(1, rel=0.02)
    work(job, wall, 150, seconds=6)
    assert rate(job) > 3


def test_the_view_and_the_plan_reckon_as_the_job_does(store: CheckpointStore, wall: Clock) -> None:
    """At the sqlite3 prompt and in a plan the rate is that of the command."""
    job = store.open_job("f", total_chunks=10)
    wall.pass_seconds(MINUTE)
    job.complete(0, 1)
    wall.pass_seconds(NIGHT)
    store.open_job("f", total_chunks=10)
    wall.pass_seconds(MINUTE)
    job.complete(1, 1)
    with closing(sqlite3.connect(store.path)) as raw:
        assert raw.execute("SELECT chunks_per_minute FROM job_progress").fetchone() == (rate(job),) == (1,)
    assert store.plan("f", total_chunks=10).estimated_seconds == pytest.approx(8 * MINUTE)


def test_what_was_carried_over_took_no_time(store: CheckpointStore, wall: Clock) -> None:
    """Results of another job, and of another store, make no job faster."""
    earlier = store.open_job("a", chunks=list("abcd"))
    work(earlier, wall, 3)
    job = store.open_job("b", chunks=list("xyabcd"))
    work(job, wall, 2)
    wall.pass_seconds(NIGHT)
    again = store.open_job("b", chunks=list("xyabcd"), on_change="reuse")
    assert again.progress().completed_chunks == 5
    assert (rate(again), again.summary().seconds_left) == (1, MINUTE)


def test_a_state_that_is_saved_in_the_morning_is_no_work(manager: StateManager, wall: Clock) -> None:
    """A processor that keeps its state with a StateManager says that it goes on, and the night does not count."""
    manager.save(ProcessingState(job_id="a", status="running", file_name="f", total_chunks=10))
    for index in range(3):
        wall.pass_seconds(MINUTE)
        manager.update_chunk_complete(index, {"n": index})
    with CheckpointStore(manager.store_path, read_only=True) as store:
        assert rate(store.job("a")) == 1
        wall.pass_seconds(NIGHT)
        loaded = manager.load()
        assert loaded is not None
        manager.save(loaded.replace(status="running"))
        assert rate(store.job("a")) == 1
        wall.pass_seconds(MINUTE)
        manager.update_chunk_complete(3, {"n": 3})
        assert rate(store.job("a")) == 1
