"""What a user added to the tables of a store: an upgrade, and the way back, take none of it away."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, MigrationFailed, StoreTargetError, migrate
from checkpoint_store.storage.upgrade import migrate as upgrading

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


@pytest.mark.slow
def test_the_way_back_keeps_what_a_user_added(tmp_path: Path) -> None:
    """A store that is taken back to schema 1.0 has the columns and indexes of its user."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("lecture.srt", total_chunks=2).complete(0, "text")
    _add(path, ADDED)
    before = _rows(path)
    migrate(path, to="1.0")
    assert _rows(path) == before


CONSTRAINED = r"""
CREATE TABLE "people" (name TEXT PRIMARY KEY);
INSERT INTO people VALUES ('Ada'), ('b,c');
ALTER TABLE jobs ADD COLUMN "a ""word"", (" TEXT COLLATE NOCASE DEFAULT 'it''s (' CHECK (length("a ""word"", (") < 9);
ALTER TABLE jobs ADD COLUMN `select` TEXT REFERENCES people (name) ON DELETE SET NULL /* one, ( two */;
ALTER TABLE jobs ADD COLUMN [name length] INTEGER AS (length(file_name) + 1);
ALTER TABLE jobs ADD COLUMN "exact" "no type";
UPDATE jobs SET "a ""word"", (" = 'ÄB', "select" = 'b,c', exact = x'00ff';
CREATE UNIQUE INDEX few ON jobs ("a ""word"", (" COLLATE BINARY, length(file_name), job_id) WHERE "select" IS NOT NULL;
CREATE INDEX by_length ON jobs ("name length");
"""


def _of_user(path: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as raw:
        return [
            raw.execute(query).fetchall()
            for query in (
                'SELECT job_id, "a ""word"", (", "select", "name length", exact, typeof(exact) FROM jobs ORDER BY job_id',
                """SELECT count(*) FROM jobs WHERE "a ""word"", (" = 'Äb'""",
                """SELECT name, type, dflt_value, hidden FROM pragma_table_xinfo('jobs')
                WHERE name IN ('a "word", (', 'select', 'name length', 'exact') ORDER BY cid""",
                """SELECT "from", "table", on_delete FROM pragma_foreign_key_list('jobs')""",
                "SELECT name, sql FROM sqlite_master WHERE name IN ('few', 'by_length') ORDER BY name",
            )
        ]


@pytest.mark.slow
@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_an_upgrade_keeps_the_constraints_of_a_column(dump: Path, tmp_path: Path, caplog: Any) -> None:
    """Collation, default, check, reference and computed values of a user's column are as the user wrote them."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    _add(path, CONSTRAINED)
    before = _of_user(path)
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.check() == []
    assert _of_user(path) == before
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    with closing(sqlite3.connect(path)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("""UPDATE jobs SET "a ""word"", (" = 'far too long'""")


def _anew(path: Path, column: str) -> None:
    """Make the table of jobs anew with one more column, as a user does where ALTER TABLE cannot add it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        (made,) = raw.execute("SELECT sql FROM sqlite_master WHERE name = 'jobs'").fetchone()
        names = ", ".join(name for (name,) in raw.execute("SELECT name FROM pragma_table_info('jobs')"))
        beginning, first_constraint, rest = made.partition("CONSTRAINT")
        raw.executescript(
            "PRAGMA legacy_alter_table = ON; BEGIN; ALTER TABLE jobs RENAME TO old; "
            f"{beginning} {column}, {first_constraint}{rest};"
            f"INSERT INTO jobs ({names}) SELECT {names} FROM old; DROP TABLE old; COMMIT;"
        )


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("column", "lost"),
    [
        ("name_length INTEGER AS (length(file_name)) STORED", "is only in"),
        ("owner TEXT COLLATE NOCASE -- who, (\n", None),
        ("owner TEXT UNIQUE -- who, (\n", "has lost its constraints, which are only in"),
    ],
)
def test_an_upgrade_names_what_only_the_copy_has(
    column: str, lost: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names a column that SQLite cannot add to a table, or not with its constraints; the copy has it."""
    path, name = tmp_path / "talks.db", column.partition(" ")[0]
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    _anew(path, column)
    with closing(sqlite3.connect(path)) as raw:
        before = raw.execute(f"SELECT {name} FROM jobs ORDER BY job_id").fetchall()
    _add(path, f"CREATE INDEX by_it ON jobs ({name})")
    CheckpointStore(path).close()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    expected = [] if lost is None else [f"column jobs.{name} {lost} the copy from before"]
    expected += ["index by_it is only in the copy from before"] if lost == "is only in" else []
    assert [line.split(": ")[1] for line in warnings] == expected
    with closing(sqlite3.connect(tmp_path / "talks.db.backup-1.0-0001")) as raw:
        assert raw.execute(f"SELECT {name} FROM jobs ORDER BY job_id").fetchall() == before


@pytest.mark.slow
def test_a_column_that_an_error_keeps_out_ends_the_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full as a column is put back, nothing is upgraded: the column is not left behind."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    _add(path, "ALTER TABLE jobs ADD COLUMN owner TEXT; UPDATE jobs SET owner = hex(zeroblob(3000000))")
    before = _dump(path)
    run_scripts = upgrading._run_scripts

    def then_full(connection: sqlite3.Connection, scripts: Any) -> None:
        run_scripts(connection, scripts)
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        if file:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")

    with monkeypatch.context() as full:
        full.setattr(upgrading, "_run_scripts", then_full)
        with pytest.raises(MigrationFailed, match="full"):
            CheckpointStore(path)
    assert _dump(path) == before
    CheckpointStore(path).close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT DISTINCT length(owner) FROM jobs").fetchall() == [(6000000,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "addition", "remedy"),
    [
        (
            "1_0",
            "ALTER TABLE jobs ADD COLUMN Metadata TEXT DEFAULT 'mine'",
            "ALTER TABLE jobs RENAME COLUMN metadata TO",
        ),
        (
            "1_3",
            "ALTER TABLE completed_chunks ADD redo_asked_at; UPDATE completed_chunks SET redo_asked_at = 'mine'",
            "ALTER TABLE completed_chunks RENAME COLUMN redo_asked_at TO",
        ),
        ("1_0", "CREATE TABLE attempts (a); INSERT INTO attempts VALUES ('mine')", "ALTER TABLE attempts RENAME TO"),
        ("1_0", "CREATE VIEW job_costs AS SELECT 'mine'", "DROP VIEW job_costs"),
        ("1_3", "CREATE INDEX ix_attempts_replaced ON jobs (file_name)", "DROP INDEX ix_attempts_replaced"),
    ],
)
def test_an_upgrade_takes_no_name_of_a_user(version: str, addition: str, remedy: str, tmp_path: Path) -> None:
    """A part of a user under a name that a later schema uses is never overwritten: the error says how to rename it."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / f"{version}.sql").read_text(encoding="utf-8"), path)
    _add(path, addition)
    before = _dump(path)
    with pytest.raises(MigrationFailed, match=re.escape(remedy)) as caught:
        CheckpointStore(path)
    assert caught.value.backup is None
    assert _dump(path) == before
    assert not list(tmp_path.glob("*.backup-*"))
    statement = caught.value.reason.partition("again: ")[2].partition(" (")[0]
    _add(path, statement)
    kept = [line for line in _dump(path) if "'mine'" in line]
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.check() == []
    assert len([line for line in _dump(path) if "'mine'" in line]) == len(kept)


def test_a_view_with_the_name_of_a_later_table_is_refused_with_what_helps(tmp_path: Path) -> None:
    """If a user gave a view the name of a table that a later schema has, the error says what to do; then it upgrades."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    _add(path, "CREATE VIEW attempts AS SELECT 'mine'")
    before = _dump(path)
    with pytest.raises(StoreTargetError) as caught:
        CheckpointStore(path)
    assert _dump(path) == before
    _add(path, caught.value.reason.partition("If you added it: ")[2].partition(" (")[0])
    with CheckpointStore(path) as store:
        assert store.check() == []


@pytest.mark.slow
def test_an_upgrade_leaves_the_references_of_a_user_alone(tmp_path: Path) -> None:
    """A user's own table may refer to a job that is gone, and to a column that is not unique: table and rows stay."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_3.sql").read_text(encoding="utf-8"), path)
    _add(path, "CREATE TABLE notes (job_id TEXT REFERENCES jobs (job_id)); INSERT INTO notes VALUES ('gone')")
    _add(path, "CREATE TABLE titles (file_name TEXT REFERENCES jobs (file_name)); INSERT INTO titles VALUES ('mine')")
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT job_id FROM notes").fetchall() == [("gone",)]
        assert raw.execute("SELECT file_name FROM titles").fetchall() == [("mine",)]


@pytest.mark.slow
def test_an_index_of_json_keeps_no_store_from_its_work(tmp_path: Path) -> None:
    """A user may index a field of the results, and compute a column from the config, also while a loop works."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    _add(path, "ALTER TABLE jobs ADD COLUMN chunk_size AS (json_extract(config, '$.chunk_size'))")
    with CheckpointStore(path) as store:
        assert store.recovery is None
        for number in make_dump.open_lecture(store).map(lambda text: {"number": len(text)}):
            if number:
                _add(path, "CREATE INDEX IF NOT EXISTS by_number ON chunk_results (json_extract(result, '$.number'))")
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("SELECT chunk_size FROM jobs WHERE file_name = 'lecture.srt'").fetchall()
    assert rows == [(2000,)]


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())
