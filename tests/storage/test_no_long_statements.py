"""What is asked for each chunk takes no longer in a long job: what it has cost so far, and what is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store.storage.statements import costs
from checkpoint_store.storage.statements.attempts import replaced, reservations
from checkpoint_store.storage.statements.plans import carry_over

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from checkpoint_store import CheckpointStore

ASKED: dict[str, Callable[[sqlite3.Connection, str], object]] = {
    "a field of the results": lambda connection, job_id: costs.page(connection, job_id, 3, "cost"),
    "a dotted path": lambda connection, job_id: costs.page(connection, job_id, 3, "usage.cost"),
    "a function": lambda connection, job_id: costs.page(connection, job_id, 3, len),
    "replaced results": replaced.costs_elsewhere,
    "chunks at work": carry_over.chunks_at_work,
    "all of it": lambda connection, job_id: reservations.spending(
        connection, job_id, costs.costs_of_pages(lambda after: costs.page(connection, job_id, after, "cost"), 3, "cost")
    ),
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("what", ASKED)
def test_no_statement_goes_through_all_chunks_of_the_job(store: CheckpointStore, what: str) -> None:
    """SQLite finds new results and attempts in trouble by an index: no statement reads all chunks or attempts."""
    job = store.open_job("talk.srt", total_chunks=9)
    for chunk in job.pending():
        chunk.complete({"cost": 1.0})
    job.redo(range(9))
    for chunk in job.pending():
        chunk.complete({"cost": 2.0})

    def plans(connection: sqlite3.Connection) -> list[str]:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        ASKED[what](connection, job.job_id)
        connection.set_trace_callback(None)
        explained = (connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall() for text in asked)
        return [step for steps in explained for *_, step in steps]

    steps = store._context.storage.database.read(plans)
    through_all = "SEARCH attempts USING PRIMARY KEY (job_id=?)", "SEARCH completed_chunks USING PRIMARY KEY (job_id=?)"
    assert steps
    assert [step for step in steps if step in {*through_all, "SCAN attempts", "SCAN completed_chunks"}] == []
