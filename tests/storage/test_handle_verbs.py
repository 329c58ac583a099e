"""The verbs for handles of work that a service holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import JobNotFound

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


def test_a_handle_is_found_until_its_chunk_is_complete(store: CheckpointStore) -> None:
    """A handle is offered until its chunk is complete; a chunk that is to be done again needs a new handle."""
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=2)
    storage.handles.record(job.job_id, {0: None, 1: "1:a"}, "batch-1")
    assert [storage.handles.look_at(job.job_id, index)[1] for index in (0, 1, 2)] == ["batch-1", "batch-1", None]
    job.complete(0, "x")
    assert storage.handles.look_at(job.job_id, 0)[1] is None
    job.redo(0)
    assert storage.handles.look_at(job.job_id, 0)[1] is None  # it is of the work that gave the earlier result
    storage.handles.record(job.job_id, {0: None}, "batch-2")
    assert storage.handles.look_at(job.job_id, 0)[1] == "batch-2"


def test_a_fingerprint_stays_where_a_newer_handle_knows_none(store: CheckpointStore) -> None:
    """Who records by number alone takes nothing away from what was known."""
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=1)
    for handle, fingerprint in (("one", "1:a"), ("two", None)):
        storage.handles.record(job.job_id, {0: fingerprint}, handle)
    rows = storage.database.read(
        lambda connection: connection.execute("SELECT handle, fingerprint FROM chunk_handles").fetchall()
    )
    assert rows == [("two", "1:a")]


def test_a_job_that_is_not_there_takes_none(store: CheckpointStore) -> None:
    """A handle for a missing job is refused, and nothing is written."""
    with pytest.raises(JobNotFound):
        store._context.storage.handles.record("nobody", {0: None}, "batch-1")
