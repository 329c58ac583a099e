"""A run without a terminal: a line every ten seconds, for a log that somebody reads."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, LoopEvent
from checkpoint_store.cli.job_snapshot import JobSnapshot
from checkpoint_store.cli.run.limits import FailureWatch
from checkpoint_store.cli.run.progress import LiveView, PlainProgress
from checkpoint_store.cli.run.run_context import Files
from checkpoint_store.cli.run.task_records import Report
from checkpoint_store.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checkpoint_store import Job


class Waits:
    """A clock by which so many times ten seconds pass, and then the run ends; each time something is done."""

    def __init__(self, times: int, each: Callable[[], object] = lambda: None) -> None:
        self.times, self.each = times, each
        self.asked: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.asked.append(seconds)
        self.each()
        return len(self.asked) > self.times


def test_it_says_where_a_run_stands_every_ten_seconds() -> None:
    """Three times ten seconds are three lines, whatever the number of chunks; the last state is said at the end."""
    states, said = iter("abcd"), list[str]()
    waits = Waits(3)
    current = [""]

    def state() -> str:
        return current[0]

    waits.each = lambda: current.__setitem__(0, next(states))
    with PlainProgress(state, said.append, waits) as shown:
        shown._thread.join()
    assert (said, waits.asked) == (["a", "b", "c", "d"], [10.0] * 4)


@pytest.mark.parametrize("times", [0, 2])
def test_nothing_is_said_twice(times: int) -> None:
    """A quick run has no such line, and one that stands still no further one at its end."""
    said: list[str] = []
    with PlainProgress(lambda: "as before", said.append, Waits(times)) as shown:
        shown._thread.join()
    assert said == ["as before"] * times


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    """An open store."""
    with CheckpointStore(tmp_path / "talks.db") as opened:
        yield opened


def test_a_line_has_place_counts_rate_failures_and_cost(store: CheckpointStore) -> None:
    """Everything that the live line of a terminal shows stands in the line of a log."""
    job = store.open_job("talk.srt", total_chunks=8)
    job.complete(0, {"cost": 0.25})
    job.complete(1, {"cost": 0.25})
    files = Files(4)
    files.add(Report("first.srt", job_id="1", completed_chunks=3, total_chunks=3, cost=1.5))
    error = io.StringIO()
    with redirect_stderr(error):
        view = LiveView(
            Screen(), "talk.srt", before=1, total=8, stopping=lambda: False,
            snapshot=JobSnapshot(job, "cost"), files=files, wait=Waits(1),
        )  # fmt: skip
        with view:
            assert isinstance(view._display, PlainProgress)
            view._display._thread.join()
    first, later, *rest = error.getvalue().splitlines()
    assert first == "2 of 4  talk.srt: 8 chunks, 1 done before, 7 left (so far 1 complete, 3 chunks, cost 1.5)"
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  2 of 4  talk.srt: 2 of 8 chunks, 25%, [\d,.e+]+/(s|min), .+ left, cost 0.5, 2 in all", later
    )
    assert rest == []


def test_a_run_that_waits_says_so_and_promises_no_time(store: CheckpointStore) -> None:
    """The service is away: the line of a log and that of a terminal say why the run waits, until a try begins."""
    job = store.open_job("talk.srt", total_chunks=8)
    job.complete(0, {"cost": 0.25})
    job.complete(1, {"cost": 0.25})
    watch = FailureWatch(None, kill=lambda: None, note=lambda _: None)
    view = LiveView(
        Screen(), "talk.srt", before=1, total=8, stopping=lambda: False,
        snapshot=JobSnapshot(job, "cost"), files=Files(1), waits_after=lambda: watch.waits_after,
    )  # fmt: skip
    for kind in ("started", "started", "retried"):
        watch.on_event(LoopEvent(kind=kind, index=3 if kind == "retried" else 2, error="HTTP 429"))
    assert "waiting" not in view.words()
    watch.on_event(LoopEvent(kind="retried", index=2, error="HTTP 429: slow down\nmore"))
    assert view.words() == "talk.srt: 2 of 8 chunks, 25%, waiting to try again, after: HTTP 429: slow down, cost 0.5"
    assert "waiting to try again" in view.line().plain
    assert "left" not in view.line().plain.partition("before")[0]
    watch.on_event(LoopEvent(kind="started", index=2))
    assert "waiting" not in view.words()


def test_the_time_that_is_left_is_that_of_the_chunks_that_are_left(store: CheckpointStore) -> None:
    """The store is read twice a second: beside all chunks, or half of those that were left, no older time stands."""
    job = store.open_job("talk.srt", total_chunks=4)
    job.complete(0, "a")
    job.complete(1, "b")
    snapshot = JobSnapshot(job, "cost")
    snapshot._seconds_left, snapshot._refreshed_seconds = 8.0, float("inf")  # it reads nothing more
    view = LiveView(
        Screen(), "talk.srt", before=2, total=4, stopping=lambda: False, snapshot=snapshot, files=Files(1)
    )  # fmt: skip
    said = []
    for _ in range(3):
        said.append(view.words().partition("%, ")[2].partition(", ")[2])
        view.advance()
    assert said == ["8.0 s left", "4.0 s left", ""]


def test_a_run_that_waits_for_another_run_promises_no_time(store: CheckpointStore) -> None:
    """While another run has all chunks that are left, the line says so: that run may have been stopped."""
    job = store.open_job("talk.srt", total_chunks=4)
    job.complete(0, "a")
    job.complete(1, "b")
    with CheckpointStore(store.path) as other:
        pending = other.job(job.job_id).pending()
        chunks = [next(pending)]
        assert re.search(r", .+ left$", line_of(job))
        chunks.append(next(pending))
        assert line_of(job) == "talk.srt: 2 of 4 chunks, 50%, waiting for 2 chunks of other runs"
        pending.close()


def line_of(job: Job) -> str:
    """Return the line of a run that begins with what the job has now."""
    snapshot = JobSnapshot(job, "cost")
    return LiveView(
        Screen(), "talk.srt", before=2, total=4, stopping=lambda: False, snapshot=snapshot, files=Files(1)
    ).words()
