"""The schema that migrations make is the one that the code works with."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from checkpoint_store import CheckpointStore
from checkpoint_store.model.store_file import APPLICATION_ID, RELEASED_VERSIONS, SCHEMA_VERSION
from checkpoint_store.storage.tables import metadata
from checkpoint_store.storage.upgrade import migrate

from .revisions import known_revisions
from .views import VIEWS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    """A store file that the migrations made."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        return store.path


@pytest.fixture
def from_metadata(tmp_path: Path) -> Path:
    """A file that the metadata made, and the views."""
    path = tmp_path / "metadata.db"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for view in VIEWS.values():
            connection.exec_driver_sql(view)
    return path


def test_there_is_one_head_and_it_is_the_schema_version() -> None:
    """A branch would stop every upgrade."""
    assert ScriptDirectory.from_config(migrate.config()).get_heads() == [SCHEMA_VERSION]


def test_every_revision_is_a_released_version_in_order() -> None:
    """A state of any of them can be read."""
    assert known_revisions(migrate.config()) == RELEASED_VERSIONS


def normal(sql: str | None) -> str | None:
    """SQL without differences that mean nothing."""
    return None if sql is None else re.sub(r"\s+", " ", sql.replace('"', "")).replace("( ", "(").replace(" )", ")")


def described(path: Path) -> dict[str, Any]:
    """Return all that SQLite knows of a file's schema."""
    with closing(sqlite3.connect(path)) as raw:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return raw.execute(statement).fetchall()

        things = rows("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic_version%'")
        found: dict[str, Any] = {"names": sorted((kind, name) for kind, name, _ in things)}
        for kind, name, sql in things:
            if kind in ("view", "trigger"):
                found[name] = normal(sql)
            if kind == "index":
                found[name] = (normal(sql), rows(f"PRAGMA index_xinfo('{name}')"))
            if kind == "table":
                found[name] = {
                    "columns": rows(f"PRAGMA table_xinfo('{name}')"),
                    "foreign keys": sorted(row[2:] for row in rows(f"PRAGMA foreign_key_list('{name}')")),
                    "indexes": sorted(row[1:] for row in rows(f"PRAGMA index_list('{name}')")),
                    "constraints": constraints(sql),
                    "options": normal(sql.rpartition(")")[2]),
                }
        return found


def constraints(sql: str) -> list[str]:
    """Return the lines of a CREATE TABLE that are constraints, sorted: their order means nothing."""
    lines = [line.strip().rstrip(",") for line in sql.splitlines()]
    return sorted(str(normal(line)) for line in lines if line.startswith("CONSTRAINT"))


def test_migrations_make_exactly_what_the_metadata_says(migrated: Path, from_metadata: Path) -> None:
    """Columns, types, nullability, keys, actions, CHECK texts, index predicates, WITHOUT ROWID, views."""
    assert described(migrated) == described(from_metadata)


@pytest.mark.slow
def test_the_comparison_sees_what_alembic_check_does_not(migrated: Path, from_metadata: Path) -> None:
    """A control: a CHECK, a partial index, an action, WITHOUT ROWID and a view that differ are noticed."""
    changes = [
        ("total_chunks >= 0", "total_chunks >= 1"),
        ("is_current = 1", "is_current = 0"),
        ("ON DELETE CASCADE", "ON DELETE SET NULL"),
        ("WITHOUT ROWID", ""),
        ("100.0", "99.0"),
        ("video_title TEXT", "video_title TEXT NOT NULL"),
    ]
    expected = described(from_metadata)
    for old, new in changes:
        with closing(sqlite3.connect(migrated)) as raw, closing(sqlite3.connect(":memory:")) as changed:
            statements = [row[0] for row in raw.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
            assert any(old in statement for statement in statements), old
            path = migrated.with_name(f"changed-{changes.index((old, new))}.db")
            del changed
            with closing(sqlite3.connect(path)) as other:
                for statement in statements:
                    other.execute(statement.replace(old, new))
        assert described(path) != expected, old


def test_views_are_those_of_the_code(migrated: Path) -> None:
    """A migrated store has the views of the code, word for word."""
    with closing(sqlite3.connect(migrated)) as raw:
        assert dict(raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'")) == VIEWS
        for view in VIEWS:
            raw.execute(f"SELECT * FROM {view}").fetchall()


def test_every_column_holds_a_json_value(migrated: Path) -> None:
    """Text, integer or real: a column declared JSON would change large integers."""
    with closing(sqlite3.connect(migrated)) as raw:
        kinds = {
            kind
            for table in metadata.tables
            for (kind,) in raw.execute("SELECT DISTINCT type FROM pragma_table_info(?)", (table,))
        }
    assert kinds <= {"TEXT", "INTEGER", "REAL"}


def test_the_file_says_whose_it_is(migrated: Path) -> None:
    """A store file is known by its application id, its version and its page size."""
    with closing(sqlite3.connect(migrated)) as raw:
        assert raw.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA_VERSION,)]
        assert raw.execute("PRAGMA page_size").fetchone() == (1024,)
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
def test_job_progress_reads_like_a_report(tmp_path: Path) -> None:
    """The view ``job_progress`` reads like a report at the sqlite3 prompt."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        store.open_job("a", total_chunks=3).complete(0, 1)
        store.open_job("b", total_chunks=0)
        nearly = store.open_job("c", total_chunks=2_001)
        nearly.complete_many((index, 1) for index in range(2_000))
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        shown = raw.execute('SELECT file_name, status, completed, total, "left", percent FROM job_progress').fetchall()
    assert shown == [
        ("c", "running", 2_000, 2_001, 1, 99.9),  # 100 says that all of them are complete
        ("b", "completed", 0, 0, 0, 100.0),
        ("a", "running", 1, 3, 2, 33.3),
    ]
