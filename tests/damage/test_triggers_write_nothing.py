"""A completion that a trigger in the file could undo is refused whole: no half of it stays in the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job

WAYS: dict[str, Callable[[Job], Any]] = {
    "one": lambda job: job.complete(1, "paid for"),
    "many": lambda job: job.complete_many([(1, "paid for"), (2, "paid for")]),
    "replaced": lambda job: job.complete(0, "another", replace=True),
}
KEPT: dict[str, dict[int, str]] = {"one": {1: "paid for"}, "many": {1: "paid for", 2: "paid for"}, "replaced": {}}
"""The results that the next opening records, by way."""


def _all_rows(path: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as raw:
        tables = "SELECT * FROM completed_chunks", "SELECT * FROM chunk_results", "SELECT completed_count FROM jobs"
        return [raw.execute(table).fetchall() for table in tables]


@pytest.mark.slow_variants
@pytest.mark.parametrize("table", ["chunk_results", "completed_chunks", "jobs"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_a_refused_completion_is_there(tmp_path: Path, way: str, table: str) -> None:
    """The error names the trigger, the store is as it was, and its next opening takes in what was paid for."""
    path = tmp_path / "talks.db"
    with pytest.raises(StoreDamaged, match="are not recorded yet"), CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=4)
        job.complete(0, "one")
        event = "UPDATE" if table == "jobs" else "INSERT"
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute(f"CREATE TRIGGER evil BEFORE {event} ON {table} BEGIN SELECT RAISE(IGNORE); END")
        before = _all_rows(path)
        with pytest.raises(StoreDamaged, match="somebody put a trigger 'evil'"):
            WAYS[way](job)
        assert _all_rows(path) == before
    with pytest.warns(StoreRecovered, match="it has a trigger 'evil'"):
        store = CheckpointStore(path)
    with store:
        job = store.job("talk.srt")
        assert dict(job.items()) == {0: "one", **KEPT[way]}
        assert any('"another"' in str(attempt.error) for attempt in job.attempts()) is (way == "replaced")
