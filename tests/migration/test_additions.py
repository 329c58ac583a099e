"""What a user added to the tables of a store: an upgrade, and the way back, take none of it away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, migrate

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

DUMPS = sorted(make_dump.DUMPS.glob("*.sql"))
ADDED = """
ALTER TABLE jobs ADD COLUMN "the owner" TEXT NOT NULL DEFAULT 'nobody';
UPDATE jobs SET "the owner" = 'Ada' WHERE file_name = 'lecture.srt';
ALTER TABLE completed_chunks ADD COLUMN looked_at;
UPDATE completed_chunks SET looked_at = chunk_index;
CREATE INDEX by_owner ON jobs ("the owner");
CREATE INDEX by_time ON completed_chunks (completed_at);
CREATE VIEW owners AS SELECT file_name, "the owner" FROM jobs;
CREATE TABLE notes (job_id TEXT REFERENCES jobs (job_id) ON DELETE CASCADE, note TEXT);
INSERT INTO notes SELECT job_id, file_name FROM jobs;
"""
QUERIES = (
    "SELECT * FROM owners ORDER BY file_name",
    'SELECT job_id, "the owner" FROM jobs INDEXED BY by_owner WHERE "the owner" IS NOT NULL ORDER BY job_id',
    "SELECT job_id, chunk_index, looked_at FROM completed_chunks ORDER BY job_id, chunk_index",
    "SELECT job_id, note FROM notes ORDER BY job_id",
    "SELECT name, sql FROM sqlite_master WHERE name IN ('by_owner', 'by_time', 'owners', 'notes') ORDER BY name",
)


def _rows(path: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as raw:
        return [raw.execute(query).fetchall() for query in QUERIES]


def _add(path: Path, additions: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(additions)


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_an_upgrade_keeps_what_a_user_added(dump: Path, tmp_path: Path) -> None:
    """Columns with their values, indexes, views and tables of a user are in the upgraded store as they were."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    _add(path, ADDED)
    before = _rows(path)
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.check() == []
    assert _rows(path) == before


def test_the_way_back_keeps_what_a_user_added(tmp_path: Path) -> None:
    """A store that is taken back to schema 1.0 has the columns and indexes of its user."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("lecture.srt", total_chunks=2).complete(0, "text")
    _add(path, ADDED)
    before = _rows(path)
    migrate(path, to="1.0")
    assert _rows(path) == before


def test_an_upgrade_names_what_only_the_copy_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite adds no column whose values it computes: the log names the column, and its index, and the copy has them."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    _add(
        path,
        "ALTER TABLE jobs ADD COLUMN name_length INTEGER AS (length(file_name)); "
        "CREATE INDEX by_length ON jobs (name_length)",
    )
    CheckpointStore(path).close()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(": ")[2].partition(" is ")[0] for line in warnings] == [
        "column jobs.name_length",
        "index by_length",
    ]
    with closing(sqlite3.connect(tmp_path / "talks.db.backup-1.0-0001")) as raw:
        assert raw.execute("SELECT max(name_length) FROM jobs").fetchone()[0] > 0
