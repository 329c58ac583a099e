"""What a read of many chunks takes, counted in steps of SQLite: no clock is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store.storage.statements.results import completed_in

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store import CheckpointStore, Job

DONE = 1000
STEPS_OF_A_CHUNK_MAX = 5.0
"""A count takes three steps for each chunk. A search for a mark at each chunk took fourteen."""


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job with all but its last chunk complete."""
    job = store.open_job("talk.srt", total_chunks=DONE + 1)
    job.complete_many((index, {"cleaned_text": f"number {index}"}) for index in range(DONE))
    return job


def test_chunks_that_are_done_are_passed_over_by_a_bare_count(job: Job) -> None:
    """The first pending chunk of a large job that is nearly done is found in the time of a count."""
    steps: list[None] = []

    def count(connection: sqlite3.Connection) -> list[int]:
        connection.set_progress_handler(lambda: steps.append(None), 1)
        try:
            return completed_in(connection, job.job_id, 0, DONE)
        finally:
            connection.set_progress_handler(None, 0)

    assert job._context.storage.database.read(count) == list(range(DONE))
    assert len(steps) / DONE < STEPS_OF_A_CHUNK_MAX


def test_a_mark_counts_only_at_a_chunk_that_is_complete(job: Job) -> None:
    """A chunk to be done again is handed out, and a mark that a merge left at an incomplete chunk hides no other."""
    job.redo([3])
    mark = "INSERT INTO chunk_redos SELECT job_id, ?, asked_at, after_attempt FROM chunk_redos"
    database = job._context.storage.database
    database.write(lambda connection: connection.execute(mark, (DONE,)))
    done = database.read(lambda connection: completed_in(connection, job.job_id, 0, DONE + 1))
    assert done == [index for index in range(DONE) if index != 3]
    assert [range(3, 4), range(DONE, DONE + 1)] == job.remaining()
