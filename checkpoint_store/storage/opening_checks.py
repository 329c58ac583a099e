"""The checks of an existing store at opening, before anybody works with it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.storage.backup import remove_backups
from checkpoint_store.storage.checks.integrity import MISCOUNTED
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.statements import rows
from checkpoint_store.storage.statements.effect import TRIGGERS
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.statements.statement import select_text
from checkpoint_store.system.files import storage_errors
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.connection.read_only import AnyDatabase

_CHECKED_SIZE_BYTES_MAX: Final = 8 * 1024 * 1024
"""A file up to this size is checked at each opening, which takes some milliseconds."""
_CHECKED_TABLES: Final = ("jobs", "completed_chunks", "attempts", "runners", "pauses", "chunk_handles", "chunk_redos")
"""The narrow tables are compared with their keys and indexes.

A job or a chunk that an index does not find would be begun again. A claim that cannot be written stops all work.
"""

_NUMBERS: Final = (
    ("completed_chunks", "chunk_index"),
    ("attempts", "chunk_index"),
    ("attempts", "replaced_result_id"),
    ("chunk_keys", "chunk_index"),
    ("chunk_handles", "chunk_index"),
    ("chunk_redos", "chunk_index"),
)
_MISTYPED: Final = " UNION ALL ".join(
    [
        *(
            f"SELECT '{table}', '{column}' FROM jobs j WHERE typeof("  # noqa: S608 - our own names
            f"(SELECT max({column}) FROM {table} WHERE job_id = j.job_id AND {column} IS NOT NULL)"
            ") NOT IN ('integer', 'null')"
            for table, column in _NUMBERS
        ),
        "SELECT 'chunk_redos', 'after_attempt' FROM chunk_redos WHERE typeof(after_attempt) != 'integer'",
    ]
)
"""Finds a text or a blob in a column that is computed with. In the order of an index they stand behind all numbers."""

_JOB_COLUMNS: Final = tuple(name for name in rows.JOB if name in COLUMNS["jobs"])
_EVERY_JOB: Final = select_text("jobs", _JOB_COLUMNS)
"""A statement as text: each opening of a small store runs it, and compiling it would take longer."""


def refuse_foreign_wal(path: Path, lock_timeout_seconds: float) -> None:
    """Raise :class:`StoreDamaged` where the WAL or the journal beside a file would spoil the file.

    Call it while nobody has the store open. SQLite has not read the WAL yet.
    """
    from checkpoint_store.storage.checks import sqlite_siblings  # needed only after an unclean end

    # The file is read without locks: closing it would drop the locks of a connection that another thread opens now.
    with openings.lock:
        if not is_there(path) or openings.is_open(path):
            return
        with sqlite_errors.translated(path, lock_timeout_seconds):
            reason = sqlite_siblings.reason_foreign(path)
    if reason is not None:
        raise StoreDamaged(path, reason)


def refuse_triggers(database: Database) -> None:
    """Raise :class:`StoreDamaged` where the file has a trigger: it may undo, in silence, what is written."""
    trigger = database.read_row(TRIGGERS, ())
    if trigger is not None:
        name, table = trigger
        raise StoreDamaged(database.path, f"it has a trigger {name!r} on {table!r}, and no store has triggers")


def check_columns(database: AnyDatabase) -> None:
    """Raise :class:`StoreDamaged` where a table lacks a column of the newest schema.

    The schema is text in the file. A letter of it that is damaged renames a column.
    """

    def work(connection: sqlite3.Connection) -> None:
        for table, made_with in COLUMNS.items():
            columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
            if not columns.issuperset(made_with):
                raise StoreDamaged(database.path, f"its table {table} lacks a column that it was made with")

    database.read(work)


def check_contents(database: Database, *, unclean: bool) -> None:
    """Raise :class:`StoreDamaged` where the store's contents do not fit together.

    A large file is checked only after an end that was ``unclean``.
    """
    with storage_errors(database.path):
        size_bytes = database.path.stat().st_size
    if not unclean and size_bytes > _CHECKED_SIZE_BYTES_MAX:
        return

    def work(connection: sqlite3.Connection) -> None:
        for pragma in ("quick_check(1)", *(f"integrity_check({table})" for table in _CHECKED_TABLES)):
            verdict, *_ = sqlite_errors.verdict_of(connection, pragma, database.path) or [""]
            if verdict != "ok":
                raise StoreDamaged(database.path, sqlite_errors.in_one_line(verdict))
        # Pages of different times can each be sound: a WAL of another moment was beside the file.
        if connection.execute(MISCOUNTED).fetchone() is not None:
            reason = "the completed chunks and the results are not as many as they should be"
            raise StoreDamaged(database.path, reason)
        for table, column in connection.execute(_MISTYPED):
            raise StoreDamaged(database.path, f"its table {table} has something else than a number as its {column}")
        for row in connection.execute(_EVERY_JOB):
            rows.read_row("jobs", rows.JOB, dict(zip(_JOB_COLUMNS, row, strict=True)), database.path)

    database.read(work)


def compare_with_backup(database: Database) -> None:
    """Raise :class:`StoreDamaged` where a backup knows of more: the store lost its WAL, or went back in time.

    Its schema may be any. Only the newest backup is compared: call this before each copy that is made of a store.

    A backup that has a job which was deleted since is removed, with all others: deleting was killed on its way to the
    backups.
    """
    backups = Siblings(database.path).backups()
    for backup in backups[:1]:
        from checkpoint_store.storage.checks import sqlite_siblings  # only beside a backup

        newest = sqlite_siblings.counts_of(backup)
        counts, deleted = database.read(sqlite_siblings.known)
        if sqlite_siblings.lacks(counts, deleted, newest[0]):
            raise StoreDamaged(database.path, f"the backup {backup.name} knows of more completed chunks")
        if sqlite_siblings.have_deleted(deleted, chain([newest], map(sqlite_siblings.counts_of, backups[1:]))):
            log.info("%s: the backups have a job that was deleted, and are removed", database.path)
            remove_backups(database.path)
