"""What another runner records or completes just before a try begins is found by that try, however quick the loop is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import current_attempt
from checkpoint_store.execution.claims import chunk_queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL = 40
LAST = TOTAL - 1

pytestmark = pytest.mark.parametrize("ahead_seconds", [1000.0, 0.0], ids=["claimed ahead", "claimed one at a time"])


@pytest.fixture(autouse=True)
def claimed_ahead(monkeypatch: pytest.MonkeyPatch, ahead_seconds: float) -> None:
    """However slow the disk is, a loop claims many chunks at once, or the next one with each completion."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", ahead_seconds)
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 1e9)


def by_pending(job: Job, work: Callable[[int], str | None]) -> dict[int, str | None]:
    """Work through the job by ``pending``; return which handle each try found."""
    found = {}
    for chunk in job.pending():
        found[chunk.index] = chunk.handle
        work(chunk.index)
        chunk.complete("x")
    return found


def by_map(job: Job, work: Callable[[int], str | None]) -> dict[int, str | None]:
    """The same by ``map`` with one worker."""

    def attempt(index: int) -> list[str | None]:
        handle = current_attempt().handle
        work(index)
        return [handle]

    return {item.index: item.result[0] for item in job.map(attempt)}


LOOPS = pytest.mark.parametrize("loop", [by_pending, by_map], ids=["pending", "map"])


@pytest.mark.slow_variants
@LOOPS
@pytest.mark.parametrize("is_own", [True, False], ids=["of the same store object", "of another runner"])
def test_a_try_finds_the_handle_that_was_recorded_during_the_try_before(
    store: CheckpointStore,
    open_store: Opener,
    loop: Callable[[Job, Callable[[int], str | None]], dict[int, str | None]],
    is_own: bool,
) -> None:
    """A try finds a handle that was recorded during the try before, though its chunk was claimed earlier."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    recording = job if is_own else open_store().job(job.job_id)

    def record_for_next(index: int) -> None:
        if index < LAST:
            recording.record_handle(index + 1, f"batch-{index + 1}")

    found = loop(job, record_for_next)
    assert found == {0: None, **{index: f"batch-{index}" for index in range(1, TOTAL)}}


@pytest.mark.slow_variants
@LOOPS
def test_a_handle_that_was_cleared_just_before_is_not_offered(
    store: CheckpointStore,
    open_store: Opener,
    loop: Callable[[Job, Callable[[int], str | None]], dict[int, str | None]],
) -> None:
    """The service lost that work: asking for it again would fail."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    other = open_store().job(job.job_id)
    job.record_handle(range(TOTAL), "batch-1")

    def clear_next(index: int) -> None:
        if index < LAST:
            other.record_handle(index + 1, None)

    assert loop(job, clear_next) == {0: "batch-1", **dict.fromkeys(range(1, TOTAL))}


@pytest.mark.slow_variants
def test_a_chunk_that_was_completed_just_before_is_not_given_out(store: CheckpointStore, open_store: Opener) -> None:
    """Another runner completes by hand every chunk behind the one in work: each chunk is done by one of the two."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    other = open_store().job(job.job_id)

    def complete_next(index: int) -> None:
        if index < LAST:
            other.complete(index + 1, "by hand")

    assert list(by_pending(job, complete_next)) == list(range(0, TOTAL, 2))
    assert list(job.results()) == ["x", "by hand"] * (TOTAL // 2)
