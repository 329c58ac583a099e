"""Schema 1.4: keys, handles, metadata and marks survive a recovery, and going back refuses to forget them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, MigrationFailed
from checkpoint_store.maintenance import migrate, migration_status, recover_store

if TYPE_CHECKING:
    from pathlib import Path

FACTS = {
    "chunk_keys": ("job_id, chunk_index, key", "'page 1'"),
    "chunk_handles": ("job_id, chunk_index, handle, recorded_at", "'batch_1', '2026-11-27T00:00:00Z'"),
    "chunk_redos": ("job_id, chunk_index, asked_at", "'2026-11-27T00:00:00Z'"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a closed store with one job of two chunks, one of them complete."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        store.open_job("f", chunks=["a", "b"]).complete(0, "A")
    return tmp_path / "talks.db"


def know(path: Path, table: str) -> None:
    """Write a fact about the first chunk."""
    columns, values = FACTS[table]
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"INSERT INTO {table} ({columns}) SELECT job_id, 0, {values} FROM jobs")


@pytest.mark.slow_variants
@pytest.mark.parametrize("table", FACTS)
def test_going_back_is_refused_where_a_fact_about_a_chunk_would_be_lost(path: Path, table: str) -> None:
    """Schema 1.3 has no words for it; without it there is a way back."""
    know(path, table)
    with pytest.raises(MigrationFailed, match=r"schema 1.3 .*, and 1 is recorded; it would be lost"):
        migrate(path, to="1.3")
    assert migration_status(path).current == "1.5"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"DELETE FROM {table}")
    migrate(path, to="1.3")
    assert migration_status(path).current == "1.3"


@pytest.mark.slow
@pytest.mark.parametrize("change", ["metadata = '{}'", "sequential = 1"])
def test_going_back_is_refused_where_a_fact_about_a_job_would_be_lost(path: Path, change: str) -> None:
    """A downgrade is refused if it would lose the metadata of a job, or that its chunks depend on each other."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"UPDATE jobs SET {change}")
    with pytest.raises(MigrationFailed, match=r"1 is recorded; it would be lost"):
        migrate(path, to="1.3")


@pytest.mark.slow
def test_a_refusal_names_the_schema_that_was_asked_for(path: Path) -> None:
    """A refused downgrade names the schema that was asked for, and what would be lost."""
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("g", total_chunks=1, metadata={"owner": "me"})
        store.open_job("h", total_chunks=1, metadata={"owner": "me"})
    with pytest.raises(MigrationFailed) as refused:
        migrate(path, to="1.2")
    reason = "schema 1.2 has no place for the metadata of jobs, and 2 are recorded; they would be lost"
    assert refused.value.reason == reason
    assert ".." not in str(refused.value).replace(str(path), "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "what"), [("chunk_handles", "handles"), ("chunk_keys", "keys"), ("chunk_redos", "redo marks")]
)
def test_a_recovery_says_which_facts_may_be_missing(path: Path, table: str, what: str) -> None:
    """The report names the facts that no longer read: the work of a lost handle would be paid for again unnoticed."""
    know(path, table)
    with closing(sqlite3.connect(path)) as raw:
        ((page,),) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        ((size_bytes,),) = raw.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size_bytes)
        file.write(b"\xff" * size_bytes)
    report = recover_store(path)
    assert [job.facts for job in report.jobs] == [f"{what} of its chunks may be missing"]
    assert f"{what} of its chunks may be missing" in str(report)
    assert [job.facts for job in recover_store(path).jobs] == [None]


@pytest.mark.slow
def test_a_recovery_keeps_what_is_known_of_chunks(path: Path) -> None:
    """A store that is made anew has the same keys, handles and marks."""
    for table in FACTS:
        know(path, table)
    recover_store(path)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT chunk_index, key FROM chunk_keys").fetchall() == [(0, "page 1")]
        assert raw.execute("SELECT chunk_index, handle FROM chunk_handles").fetchall() == [(0, "batch_1")]
        assert raw.execute("SELECT chunk_index FROM chunk_redos").fetchall() == [(0,)]


def test_failed_tries_count_in_the_costs_that_are_shown(path: Path) -> None:
    """What a failed try cost was paid as well, also where no result says a cost."""
    with CheckpointStore(path) as store:
        for chunk in store.job("f").pending():
            chunk.fail("not now", cost=0.5)
            break
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT priced, cost, failed_cost FROM job_costs").fetchall() == [(0, 0.5, 0.5)]
