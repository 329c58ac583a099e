"""What the tests of merging share: stores of several machines, each in a folder of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

CHUNKS = [f"chunk {index}" for index in range(12)]
NAME = "talk.srt"


def clean(text: str) -> dict[str, Any]:
    """Return a result that costs a quarter, the same on every machine."""
    return {"text": text.upper(), "cost": 0.25}


def shard(folder: Path, only: Collection[int] | None, **plan: Any) -> Path:
    """Work on a part of the talk on a machine of its own, and return its store."""
    folder.mkdir(exist_ok=True)
    with CheckpointStore(folder / "talks.db") as store:
        store.map(clean, CHUNKS, file_name=NAME, only=only, **plan)
    return folder / "talks.db"


def rows(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what a person at the sqlite3 prompt sees."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a merge is to bring about, whatever the order: results, costs, attempts with their hosts."""
    return {
        "results": rows(
            path,
            """SELECT j.file_name, c.chunk_index, r.result, c.fingerprint, c.source_job_id IS NULL
               FROM completed_chunks c JOIN jobs j USING (job_id) LEFT JOIN chunk_results r USING (result_id)
               ORDER BY j.file_name, c.chunk_index, r.result""",
        ),
        "jobs": rows(path, "SELECT file_name, status, completed_count, superseded_by IS NULL FROM jobs ORDER BY 1, 2, 3"),
        "costs": rows(path, "SELECT file_name, results, cost, carried, failed_cost FROM job_costs ORDER BY 1, 2, 3"),
        "attempts": rows(
            path,
            """SELECT j.file_name, a.chunk_index, a.outcome, a.error, a.cost, r.lock_file, r.host
               FROM attempts a JOIN jobs j USING (job_id) JOIN runners r USING (runner_id)
               ORDER BY j.file_name, a.chunk_index, r.lock_file, a.started_at""",
        ),
    }  # fmt: skip
