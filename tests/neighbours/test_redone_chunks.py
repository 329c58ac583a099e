"""Chunks that are to be done again, as other tools see them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, datasette_metadata
from checkpoint_store.storage.datasette.metadata import CANNED_QUERIES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a complete job of two chunks, of which the second is to be done again."""
    made = tmp_path / "talk.db"
    with CheckpointStore(made) as store:
        store.map(lambda text: {"text": text, "cost": 0.25}, ["one", "two"], file_name="talk.txt", model="small")
        store.job("talk.txt").redo([1])
    return made


def _asked(path: Path, query: str) -> list[dict[str, Any]]:
    """The rows of one of the queries that Datasette is given."""
    with CheckpointStore(path, read_only=True) as store:
        job_id = store.job("talk.txt").job_id
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(CANNED_QUERIES[query].sql, {"job_id": job_id})]


def test_a_chunk_to_redo_is_told_from_the_others(path: Path) -> None:
    """The list of a job's chunks says since when a chunk is to be done again, beside its earlier result."""
    kept, asked_again = _asked(path, "chunks_of_job")
    assert kept["redo_asked_at"] is None
    assert (asked_again["redo_asked_at"][:2], asked_again["result"]) == ("20", '{"text": "two", "cost": 0.25}')


@pytest.mark.slow
def test_a_job_with_a_chunk_to_redo_is_unfinished(path: Path) -> None:
    """Datasette shows a job as unfinished until its redone chunk is there, and keeps the earlier cost."""
    assert [row["completed_count"] for row in _asked(path, "unfinished_jobs")] == [1]
    with CheckpointStore(path) as store:
        store.map(lambda text: {"text": text, "cost": 0.5}, ["one", "two"], file_name="talk.txt", model="small")
        (frame_row,) = (store.job("talk.txt").to_dataframe().to_dict("records"))[1:]
    assert _asked(path, "unfinished_jobs") == []
    assert [(row["results"], row["cost"]) for row in _asked(path, "costs_by_model")] == [(2, 1.0)]
    assert (frame_row["cost"], frame_row["attempts"]) == (0.75, 2)


def test_every_table_is_shown_or_hidden(path: Path) -> None:
    """The metadata for Datasette knows each table and view of the newest schema."""
    (told,) = datasette_metadata(path)["databases"].values()
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    assert {name for (name,) in names if not name.startswith("sqlite_")} == set(told["tables"])
