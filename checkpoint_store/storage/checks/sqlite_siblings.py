"""The WAL and the journal beside a copy: whether they belong to the copy."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.checks.integrity import MISCOUNTED, dangling
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection import pragmas, wal_frames
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.statements.rows import is_moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALONE: Final = "mode=ro&immutable=1"
"""URI parameters that open a copy without a lock and without its WAL. No process may have the copy open."""


_COUNTS: Final = """
SELECT job_id, completed_count FROM jobs WHERE typeof(job_id) = 'text' AND typeof(completed_count) = 'integer'
"""


def reason_foreign(path: Path) -> str | None:
    """Return why the WAL or journal beside a file belongs to another file; None if it may be its own.

    No process may have the file open. Ask before SQLite opens it: SQLite would apply the WAL, which cannot be undone.
    """
    if has_foreign_journal(path):
        return "the journal beside it is not its own"
    wal = StoreFiles(path).wal
    if not has_bytes(wal):
        return None
    if wal_frames.broken_inside(wal):
        return "the WAL beside it is broken in the middle, and more was committed behind the break"
    own = is_own(path, path, "mode=ro")
    return None if own else "the WAL beside it is of another time or of another file"


def counts_of(path: Path, how: str = ALONE) -> tuple[dict[str, int], dict[str, str]]:
    """Return the completed chunks of each job at ``path`` (a count), and the deleted jobs; empty if unreadable."""
    with suppress(*sqlite_errors.UNREADABLE), closing(open_copy(path, how)) as connection:
        return known(connection)
    return {}, {}


def known(connection: sqlite3.Connection) -> tuple[dict[str, int], dict[str, str]]:
    """Return the number of completed chunks of each job, and the deleted jobs with the time of the deletion.

    A damaged row does not count: nothing can be compared with it.
    """
    return dict(connection.execute(_COUNTS).fetchall()), deleted_jobs(connection)


def lacks(has: dict[str, int], deleted: dict[str, str], other: dict[str, int]) -> bool:
    """Return whether a file with these counts and deleted jobs has fewer chunks than another copy."""
    return any(has.get(job_id, -1) < count and job_id not in deleted for job_id, count in other.items())


def have_deleted(deleted: dict[str, str], backups: Iterable[tuple[dict[str, int], dict[str, str]]]) -> bool:
    """Return whether the backups of a store have a job that was deleted from the store.

    A backup that knows of a deletion was made after it, and the process that made it removed each older backup that had
    the job. So no backup is looked at behind a backup that knows of all deletions.

    Args:
        deleted: the deleted jobs of the store.
        backups: what :func:`counts_of` returns of each automatic backup, newest first.
    """
    for counts, known_in_backup in backups if deleted else ():
        if not deleted.keys().isdisjoint(counts):
            return True
        if deleted.keys() <= known_in_backup.keys():
            return False
    return False


def deleted_jobs(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the deleted jobs with the time of the deletion; empty if that cannot be read.

    A row without a time is of another table, whose page stands in the place of this table: that job was not deleted.
    """
    with suppress(*sqlite_errors.UNREADABLE):
        rows = connection.execute("SELECT job_id, deleted_at FROM deleted_jobs").fetchall()
        # The number of a chunk may read as a date: 20240101.
        return {job_id: moment for job_id, moment in rows if is_moment(moment) and "T" in moment}
    return {}


def has_foreign_journal(path: Path) -> bool:
    """Return whether the journal beside a file is not its own.

    A file that is kept with a WAL has no journal, and a journal that SQLite needs lies beside a file with pages half
    written, which is not sound.
    """
    return has_bytes(StoreFiles(path).journal) and _is_sound(path) and _has_log_mode(path)


def is_own(alone: Path, together: Path, how: str) -> bool:
    """Return whether a WAL belongs to a file: it never spoils the file, and takes no chunk and no job from it."""
    if not _is_sound(alone):
        return True
    counts_alone, _ = counts_of(alone)
    return _is_sound(together, how) and not lacks(*counts_of(together, how), counts_alone)


def _has_log_mode(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:  # no one has it open, so no lock can be lost by this
        return file.read(20)[18:] == b"\2\2"
    return False


def _is_sound(path: Path, how: str = ALONE) -> bool:
    try:
        with closing(open_copy(path, how)) as connection:
            return (
                sqlite_errors.verdict_of(connection, "integrity_check(1)", path) == ["ok"]
                and not any(dangling(connection))
                and connection.execute(MISCOUNTED).fetchone() is None
            )
    except sqlite_errors.UNREADABLE as error:
        if sqlite_errors.says_nothing_of_contents(error):
            raise  # a full disk must not make a sound WAL look foreign
        return False


def open_copy(path: Path, how: str) -> sqlite3.Connection:
    """Open a copy for reading, whatever its state; ``how`` is the query of the SQLite URI."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5, isolation_level=None)
    # What is no UTF-8 is damage, and shows as a digest that does not match.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.execute("PRAGMA writable_schema = ON")  # else a file shorter than its header says is not read at all
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA {pragmas.TRUSTED_SCHEMA}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
