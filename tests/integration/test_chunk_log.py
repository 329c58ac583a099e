"""Every try and every completed chunk of a job, as a report or a log of a job reads them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import ChunkFailed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore

MANY = 9_000
"""More than two pages."""
DIES_AT_WORK = program(__file__, "die_in_second")


def test_every_try_is_told(store: CheckpointStore) -> None:
    """Failed ones and the one that went well, in order, with what each cost and why it failed."""
    job = store.open_job("talk.txt", chunks=["a", "b"])
    calls = []

    def work(text: str) -> dict[str, str]:
        calls.append(text)
        if calls == ["a"]:
            error = RuntimeError("no answer")
            error.cost = 0.25
            raise error
        if text == "b":
            raise ValueError("never")
        return {"text": text}

    with pytest.raises((ChunkFailed, ValueError)):
        for _ in job.map(work, wait=0.0, max_attempts=2):
            pass
    tries = list(job.attempts())
    first = tries[0]
    assert (first.chunk_index, first.attempt, first.outcome, first.cost) == (0, 1, "failed", 0.25)
    assert "no answer" in str(first.error)
    assert (first.counted, first.is_last) == (True, False)
    assert [(one.chunk_index, one.attempt, one.outcome) for one in tries[:2]] == [(0, 1, "failed"), (0, 2, "completed")]
    assert {one.outcome for one in tries if one.chunk_index == 1} == {"failed"}
    assert tries[-1].is_last
    assert len({one.runner for one in tries}) == 1


def test_a_try_that_died_is_abandoned_also_where_nobody_wrote_it_down(
    children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """Read only, right after the process died; what it had claimed and not begun is no try."""
    children.run(DIES_AT_WORK)
    before = (tmp_path / "talks.db").stat().st_mtime_ns
    job = open_store(read_only=True).job("talk.txt")
    assert [(one.chunk_index, one.outcome) for one in job.attempts()] == [(0, "completed"), (1, "abandoned")]
    assert [one.chunk_index for one in job.completions()] == [0]
    assert (tmp_path / "talks.db").stat().st_mtime_ns == before


def test_what_is_claimed_ahead_is_no_try(store: CheckpointStore, open_store: Opener) -> None:
    """Quick chunks are claimed many at a time; of those that are not done only the one in work is told."""
    job = store.open_job("talk.txt", total_chunks=400)
    other = open_store(read_only=True).job(job.job_id)
    for chunk in job.pending():
        if chunk.index % 50 == 49:
            told = [one.chunk_index for one in other.attempts() if one.outcome != "completed"]
            assert told == [chunk.index]
        chunk.complete("x")


def test_carried_results_name_who_paid(store: CheckpointStore) -> None:
    """The job that paid for a result is told for each chunk."""
    earlier = store.open_job("talk.txt", chunks=["a", "b"], model="one")
    earlier.complete_many([(0, {"text": "A"}), (1, {"text": "B"})])
    later = store.open_job("talk.txt", chunks=["b", "c"], model="one", on_change="reuse")
    later.complete(1, {"text": "C"})
    told = [(one.chunk_index, one.source_job_id, one.source_chunk_index) for one in later.completions()]
    assert told == [(0, earlier.job_id, 1), (1, None, None)]
    assert [one.source_job_id for one in earlier.completions()] == [None, None]


@pytest.mark.slow
def test_a_long_job_is_read_in_pages(open_store: Opener) -> None:
    """No chunk and no try is left out or told twice where one page ends."""
    job = open_store(durability="process").open_job("long.txt", total_chunks=MANY)
    for item in job.map(lambda index: {"index": index}):
        if item.index == 4_200:
            job.pause()
            break
    job.complete_many((index, {"index": index}) for index in range(MANY) if not job.is_completed(index))
    assert [one.chunk_index for one in job.completions()] == list(range(MANY))
    tries = [(one.chunk_index, one.attempt) for one in job.attempts()]
    assert len(tries) > 4_200
    assert all(one < other for one, other in pairwise(tries))
