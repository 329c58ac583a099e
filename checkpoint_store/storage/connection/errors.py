"""SQLite's errors, turned into errors of the library, without any value of a row."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from checkpoint_store.errors import CheckpointStoreError, StorageUnavailableError, StoreBusy, StoreDamaged
from checkpoint_store.storage.connection import pragmas
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.system.descriptors import file_bytes_max, shortage_now
from checkpoint_store.system.files import FULL, NO_LOCKS, NO_LOCKS_REASON, final_path, free_bytes, full_error
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import unavailable_reason
from checkpoint_store.system.processes import LockHolders, lock_holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERRUPT})
# SQLITE_INTERRUPT: only the limit of steps interrupts a statement.
# The codes of a write beyond a quota or a file-size limit: only ENOSPC itself becomes SQLITE_FULL.
_MAYBE_FULL: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_FSYNC,  # some file systems allocate space only at the fsync
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_CANTOPEN,  # no space for the WAL or the journal itself
    }
)
_UNREADABLE: Final = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)
_NO_ACCESS: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM}
)
_OPENING: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
"""Primary codes that SQLite gives for a file that it could not open, and for other reasons."""
_BEGINNING: Final = frozenset({sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT})
_NOT_WRITTEN: Final = _OPENING | {sqlite3.SQLITE_READONLY}
"""Primary codes that SQLite gives for a file that it could not write, and for other reasons."""
_ROOM_BYTES_MIN: Final = 1 << 20

Unreadable = sqlite3.Error | UnicodeDecodeError
"""The errors of the ``sqlite3`` module. A damaged name in a message of SQLite raises UnicodeDecodeError."""
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)


def code_of(error: BaseException) -> int:
    """Return SQLite's extended error code, or 0."""
    return getattr(error, "sqlite_errorcode", 0) or 0


def in_one_line(verdict: object) -> str:
    """Return the verdict of an ``integrity_check`` in one line, without the name of the database."""
    return " ".join(str(verdict).removeprefix("*** in database main ***").split())


def is_beginning(error: BaseException) -> bool:
    """Whether another process has just opened the file, and its index of the WAL is not ready for readers yet."""
    return code_of(error) in _BEGINNING


def could_not_open(error: BaseException) -> bool:
    """Whether SQLite could not open the file, or a file beside it."""
    return (code_of(error) & 0xFF) == sqlite3.SQLITE_CANTOPEN


def is_busy(error: BaseException) -> bool:
    """Whether the same statement may succeed if it is tried again."""
    return (code_of(error) & 0xFF) in _BUSY


def is_refused(error: BaseException) -> bool:
    """Whether a constraint refused a statement, or a trigger in the file would have run inside of another trigger.

    SQLite has no code of its own for a trigger that ``TRIGGER_DEPTH_MAX`` refuses.
    """
    return isinstance(error, sqlite3.IntegrityError) or code_of(error) == sqlite3.SQLITE_ERROR


def says_nothing_of_contents(error: Unreadable) -> bool:
    """Whether the reason of the error is a full disk, a lack of access or a busy file, and not the stored content."""
    code = code_of(error)
    if code & 0xFF == sqlite3.SQLITE_IOERR:
        return code not in _UNREADABLE
    return (code & 0xFF) in _BUSY | _NO_ACCESS


def release_statements(error: BaseException | None) -> None:
    """Release the unfinished statements that an error keeps alive through the frames of its traceback.

    SQLite keeps a closed connection open until its last statement is finished (sqlite.org/c3ref/close.html). Until
    then the file looks open, and a recovery in an ``except`` block would wait for its own process.
    """
    for each in _causes(error):
        traceback.clear_frames(each.__traceback__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes. SQLAlchemy's error and the one of sqlite3 may be the cause of each other."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__


_REFERRING: Final = """
WITH ours AS (SELECT value AS name FROM json_each(?))
SELECT tables.name FROM sqlite_master AS tables JOIN pragma_foreign_key_list(tables.name) AS reference
WHERE tables.type = 'table' AND tables.name NOT IN ours AND lower(reference."table") IN ours
    AND reference.on_delete IN ('NO ACTION', 'RESTRICT')
ORDER BY tables.name LIMIT 1
"""


def reference_of_user(error: BaseException, connection: sqlite3.Connection, path: Path) -> CheckpointStoreError | None:
    """Return the error if a row in a table of a user keeps SQLite from deleting a row of the store; otherwise None."""
    if str(error).startswith("foreign key mismatch"):  # a reference to a column that is not unique
        return StorageUnavailableError(path, str(error), "Nothing was changed: drop that reference; then call again.")
    if code_of(error) != sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return None
    with suppress(sqlite3.Error):
        for (table,) in connection.execute(_REFERRING, (json.dumps([*COLUMNS]),)):
            reason = f"a row in {table!r}, which is no table of a store, refers to what is to be deleted or replaced"
            remedy = "delete that row, or let its reference say ON DELETE CASCADE; then call again"
            return StorageUnavailableError(path, reason, f"Nothing was changed: {remedy}.")
    return None


def failed_read_of(error: BaseException | None) -> BaseException | None:
    """Return the error of SQLite, of this error and its causes, that may come of a read which the disk failed once.

    Where the disk answers a read with EIO, SQLite (from 3.33 on) says that the file is malformed.
    """
    return next((each for each in _causes(error) if code_of(each) & 0xFF == sqlite3.SQLITE_CORRUPT), None)


def is_to_be_repeated(error: BaseException, path: Path) -> bool:
    """Whether to repeat a read once, because the disk may have failed once; log that."""
    failed = failed_read_of(error)
    if failed is not None:
        log.warning("%s: a read failed, and is repeated once: %s", path, failed)
    return failed is not None


def repeated_once(read: Callable[[], T], path: Path) -> T:
    """Return the value of a read, which is made once more if the disk may have failed it."""
    try:
        return read()
    except (StoreDamaged, *UNREADABLE) as error:
        if not is_to_be_repeated(error, path):
            raise
    return read()


def verdict_of(connection: sqlite3.Connection, check: str, path: Path) -> list[str]:
    """Return what a check of SQLite's says of the file, such as ``quick_check(1)``; ``["ok"]`` if it is sound.

    A check that finds damage is repeated once, because the disk may have failed a read once.
    """
    for is_last in (False, True):
        try:
            lines = [str(line) for (line,) in connection.execute(f"PRAGMA {check}")]
        except UNREADABLE as error:
            if is_last or not is_to_be_repeated(error, path):
                raise
            continue
        if lines == ["ok"]:
            break
        if not is_last:
            log.warning("%s: a check found damage, and is repeated once: %s", path, in_one_line(lines[0]))
    return lines


@contextmanager
def translated(path: Path, waited_seconds: float = 0.0) -> Iterator[None]:
    """Raise the library's error in place of one of SQLite's; see :func:`translate`."""
    try:
        yield
    except UNREADABLE as error:
        raise translate(error, path, waited_seconds) from error


def translate(error: Unreadable, path: Path, waited_seconds: float) -> CheckpointStoreError:
    """Return the error that a caller should see for an error of SQLite on the store at ``path``.

    An error of the file system, such as a full disk, names the final path of a temporary file.
    """
    code, reason = code_of(error), str(error)
    primary = code & 0xFF
    if primary in _BUSY:
        return _busy(path, waited_seconds)
    amiss = unavailable_reason(path)
    if amiss is not None:  # if the disk is gone, SQLite says that the file is malformed
        return StorageUnavailableError(path, amiss)
    damage = _damage(error, code, reason)
    if damage is not None:
        return StoreDamaged(path, damage)
    cause = shortage_now() if primary in _OPENING else None  # first: the next looks need descriptors themselves
    if cause is None and (primary == sqlite3.SQLITE_FULL or (code in _MAYBE_FULL and _looks_full(path))):
        return full_error(final_path(path), reason, is_too_large=_over_size_limit(path))
    if isinstance(error, sqlite3.OperationalError):
        if cause is None and primary in _NOT_WRITTEN:
            cause = _why_not_written(path)
        return StorageUnavailableError(final_path(path), f"{reason}: {cause}" if cause else reason)
    return StoreDamaged(path, f"the database refused a statement: {reason}")


def _damage(error: Unreadable, code: int, reason: str) -> str | None:
    """Return the damage that an error reports; None if it reports no damage."""
    # These are errors of the sqlite3 module itself. A UnicodeDecodeError comes of a damaged name in a message of
    # SQLite. The other error repeats the text of the row, which may be private.
    if isinstance(error, UnicodeDecodeError) or (not code and "UTF-8" in reason):
        return "a text in it is no UTF-8"
    primary = code & 0xFF
    # A JSON function says that a stored result is no JSON; SQLite knows every format that there is.
    if primary in _DAMAGED or reason in ("malformed JSON", "unsupported file format"):
        return pragmas.REASON if primary == sqlite3.SQLITE_INTERRUPT else reason
    return None


def _busy(path: Path, waited_seconds: float) -> CheckpointStoreError:
    if _has_no_locks(path):
        return StorageUnavailableError(path, NO_LOCKS_REASON)
    files = StoreFiles(path)
    who = lock_holders([path, files.shm]) if waited_seconds > 0 else LockHolders("another process")
    return StoreBusy(path, waited_seconds, who.holder, holders=who.pids, advice=who.advice)


def _has_no_locks(path: Path) -> bool:
    """Whether the file system has no file locks: SQLite reports that as busy for ever."""
    try:
        import tempfile  # only an error needs it

        with tempfile.TemporaryFile(dir=path.parent) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in NO_LOCKS
    return False


def _looks_full(path: Path) -> bool:
    free = free_bytes(path)
    is_short = free is not None and free < _ROOM_BYTES_MIN
    return is_short or _over_size_limit(path) or getattr(_probe(path), "errno", 0) in FULL


def _over_size_limit(path: Path) -> bool:
    limit = file_bytes_max()
    if limit is None:
        return False
    sizes = [0]
    files = StoreFiles(path)
    for file in (path, files.wal, files.journal):
        with suppress(OSError):
            sizes.append(file.stat().st_size)
    return max(sizes) + _ROOM_BYTES_MIN > limit


def _why_not_written(path: Path) -> str | None:
    """Return why nothing can be written beside a file now; None if it can."""
    error = _probe(path)
    if error is not None and error.errno == errno.EROFS:
        return "its file system is read-only now"
    if error is not None and error.errno in {errno.EACCES, errno.EPERM}:
        return f"give the permission to create files in {path.parent}, or open it with read_only=True to read"
    return None if error is None else error.strerror or str(error)


def _probe(path: Path) -> OSError | None:
    """Return the error of writing beside a file: statvfs shows neither a quota nor a mount that turned read-only."""
    try:
        import tempfile  # only an error needs it

        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error
    return None
