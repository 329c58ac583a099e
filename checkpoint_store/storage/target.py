"""Check a target: whether its path can be a store, and which file is there. Touches nothing."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import SchemaTooNew, SchemaTooOld, StoreDamaged, StoreTargetError
from checkpoint_store.model.state import state_text
from checkpoint_store.model.store_file import APPLICATION_ID, RELEASED_VERSIONS, SCHEMA_VERSION
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.header import mended_header
from checkpoint_store.storage.files.identity import log_beside, refuse_second_name
from checkpoint_store.storage.files.names import SIBLING_SUFFIXES, STORE_SUFFIX, StoreFiles, has_bytes
from checkpoint_store.storage.files.sibling_check import refuse_planted
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.system.paths import absolute, as_listed, is_there, refusing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store.storage.connection.read_only import AnyDatabase

EMPTY: Final = ""
NO_DATABASE: Final = "it is no SQLite database that can be read"
_VERSION: Final = re.compile(r"\d+\.\d+")
_PATH_BYTES_MAX: Final = 504
"""SQLite opens paths of 512 bytes, less the ending of its journal."""
_BEGIN_BYTES: Final = 4096
_SIBLING_BYTES: Final = 40
"""The most bytes by which the name of a sibling is longer than the name of the store."""
_NAMES: Final = ", ".join(f"'{name}'" for name in ("alembic_version", *COLUMNS))
_NO_TABLES: Final = (
    "SELECT iif(type = 'table', 'virtual table', type), name FROM sqlite_master "  # noqa: S608 - our own names
    f"WHERE lower(name) IN ({_NAMES}) AND (type != 'table' OR sql LIKE 'CREATE VIRTUAL%')"
)
_MARK: Final = f"'PRAGMA application_id = {APPLICATION_ID}'"


class _NotATableError(Exception):
    """Something else has the name of one of a store's tables."""


def resolve(target: object) -> Path:
    """Return the absolute path that a target names, or raise :class:`StoreTargetError`. Touches nothing."""
    name = os.fsdecode(target) if isinstance(target, str | bytes | os.PathLike) else ""
    if not name:
        raise StoreTargetError(name, "give the path of a file, such as .processing_state.db")
    if name.startswith("sqlite://"):
        name = name.removeprefix("sqlite://").removeprefix("/")
    if "://" in name or name.startswith(("file:", ":memory:")) or "\0" in name:
        from checkpoint_store.model.codec.secrets import redact_text  # the rules for secrets take a while to import

        name = redact_text(name)  # the address of a server has its password in it, and a message gets into logs
        raise StoreTargetError(name, "give the path of a local file (or sqlite:///PATH); nothing else can be a store")
    path = absolute(name)
    if not _is_text(path.name):  # the store holds the names of its lock files
        raise StoreTargetError(name, "the name of a store must be UTF-8; name it otherwise")
    with refusing(path):
        path = as_listed(_follow(path))
    with refusing(path):
        refuse_no_folder(path)
        _check_length(path)
        _check_kind(path)
        refuse_planted(path)
    return path


def store_beside(state_path: Path) -> Path:
    """Return where the store of a state file is; the folder may be one that is still to be made."""
    wanted = state_path.with_suffix(STORE_SUFFIX) if state_path.name else Path()
    try:
        return resolve(wanted if state_path.name else "")
    except StoreTargetError:
        folder = absolute(wanted).parent
        nearest = next(existing for existing in (folder, *folder.parents) if is_there(existing))
        if not state_path.name or nearest == folder or not nearest.is_dir():
            raise
        return absolute(wanted)


def _is_text(name: str) -> bool:
    try:
        os.fsencode(name).decode()  # the bytes: under another locale, their text has surrogates
    except UnicodeDecodeError:
        return False
    return True


def _follow(path: Path) -> Path:
    """Follow a symlink of our own to an existing file of our own; nothing is ever created through one."""
    if not path.is_symlink():
        return path
    if not path.exists():
        raise StoreTargetError(path, "it is a symlink to a file that does not exist; give the file itself")
    real = path.resolve()
    owner = os.getuid()
    if owner not in (0, real.stat().st_uid) or path.lstat().st_uid not in (owner, 0):
        raise StoreTargetError(path, f"it is a symlink to {real}, which belongs to another user; give the file itself")
    return real


def _check_length(path: Path) -> None:
    """Refuse a path that SQLite does not open, and a name that leaves no room for the names of the files beside it."""
    length = len(os.fsencode(path))
    if length > _PATH_BYTES_MAX:
        reason = f"its whole path has {length} bytes, and SQLite opens at most {_PATH_BYTES_MAX}; move it further up"
        raise StoreTargetError(path, reason)
    refuse_long_name(path)


def refuse_no_folder(path: Path, use: str = "as a store") -> None:
    """Raise :class:`StoreTargetError` if no file can be at a path, because there is no folder for it."""
    folder = path.parent
    if folder.is_dir():
        return
    nearest = next(existing for existing in (folder, *folder.parents) if os.path.lexists(existing))
    if nearest.is_dir():
        raise StoreTargetError(path, f"the folder {folder} does not exist; create it first", use)
    raise StoreTargetError(path, f"{nearest} is no folder, so that no file can be in it", use)


def refuse_long_name(path: Path, use: str = "as a store") -> None:
    """Raise :class:`StoreTargetError` if the name of a file leaves no room for the names of the files beside it."""
    try:
        bytes_max = os.pathconf(path.parent, "PC_NAME_MAX") - _SIBLING_BYTES  # 103 where eCryptfs encrypts names
    except OSError:  # there is no folder
        return
    if len(os.fsencode(path.name)) > bytes_max:
        reason = f"its name leaves no room for the files beside it; {bytes_max} bytes are the most here: shorten it"
        raise StoreTargetError(path, reason, use)


def _check_kind(path: Path) -> None:
    if path.suffix in SIBLING_SUFFIXES:
        raise StoreTargetError(path, f"the suffix {path.suffix} is for the files beside a store; use .db")
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise StoreTargetError(path, "it is a folder; give the path of a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise StoreTargetError(path, "it is not a regular file")
    refuse_second_name(path, status)


def inspect(database: AnyDatabase, state_files: Iterable[Path] = ()) -> str:
    """Return the schema version of a store, or ``""`` for an empty file.

    Raises:
        StoreTargetError: it is another program's file.
        SchemaTooNew: it was written by a newer version of this library.
        StoreDamaged: it is a store, or its siblings show that it was, and it cannot be read.
    """
    path = database.path
    try:
        application, version, tables = database.read(_read_header)
    except _NotATableError as error:
        raise StoreTargetError(path, str(error)) from error
    except StoreDamaged as error:
        if "not a database" in error.reason and not _was_ours(path, state_files):
            raise StoreTargetError(path, f"{NO_DATABASE} ({error.reason})") from error
        raise
    ours = application == APPLICATION_ID
    if version is None and tables == 0 and application in (0, APPLICATION_ID):
        return EMPTY
    if version is None or not ours:
        if ours or _was_ours(path, state_files):
            raise StoreDamaged(path, "its header or its list of tables is not what was written")
        if application == 0 and version in RELEASED_VERSIONS and database.read(_has_results):
            from shlex import quote  # only this error needs it

            what = "it has the tables of a store and not its mark, as after the .dump and .read of sqlite3"
            raise StoreTargetError(path, f"{what}; if it is a store, mark it: sqlite3 {quote(str(path))} {_MARK}")
        raise StoreTargetError(path, "it is a SQLite database of another program")
    if not _VERSION.fullmatch(version):
        raise StoreDamaged(path, f"its schema version reads {version!r}")
    if version not in RELEASED_VERSIONS:
        raise SchemaTooNew(path, version, SCHEMA_VERSION)
    return version


def _read_header(connection: sqlite3.Connection) -> tuple[int, str | None, int]:
    """Return application id, schema version and, without a version, the number of other things in the file."""
    # Before any of them is read: a view in the place of a table may have no end.
    for kind, name in connection.execute(_NO_TABLES):
        remedy = f"DROP {kind.split()[-1].upper()} {name} (and create it under another name)"
        raise _NotATableError(f"its {kind} {name} has the name of a table of a store. If you added it: {remedy}")
    statement = "SELECT application_id, version_num FROM pragma_application_id, alembic_version"
    try:
        rows = connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        if sqlite_errors.code_of(error) != sqlite3.SQLITE_ERROR:  # busy, or unreadable just now, is not "no such table"
            raise
        rows = []
    if rows:  # more than one row is damage: Alembic migrates no such file, and each row says something else
        return rows[0][0], " and ".join(str(version) for _, version in rows), 1
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    # Alembic's own table, left empty by a downgrade to nothing, is no stranger's.
    others = "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE '%alembic_version%'"
    (count,) = connection.execute(others).fetchone()
    return application, None, count


def _has_results(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunk_results'").fetchone() is not None


def _was_ours(path: Path, state_files: Iterable[Path]) -> bool:
    return bool(Siblings(path).backups()) or any(map(knows_chunks, state_files)) or mended_header(path) is not None


def knows_chunks(state_file: Path) -> bool:
    """Whether a file is a state file, written beside a store, that knows of completed chunks."""
    try:
        return state_text.knows_chunks(state_file.read_bytes())
    except OSError:
        return False


def missing_from(path: Path, state_files: Iterable[Path]) -> str | None:
    """Return why an absent or empty file at ``path`` is a loss, or None where it is simply new."""
    if is_there(path) and path.stat().st_size:
        return None
    what = "it is empty" if is_there(path) else "it is missing"
    files = StoreFiles(path)
    if is_there(files.recovered):
        return f"{what}, and a recovery of it was interrupted"
    if (log := log_beside(path)) is not None:
        return f"{what}, but its {log} is there"
    for copy in (*Siblings(path).backups(), *filter(knows_chunks, state_files)):
        return f"{what}, but {copy.name} knows of completed chunks"
    return None


def no_store(path: Path, state_files: Iterable[Path]) -> StoreTargetError:
    """Return the error that ``path`` is missing or empty; it says which copy brings the store back, if there is one."""
    state_files = list(state_files)
    what = "it is empty" if is_there(path) else "there is no such file"
    wal = StoreFiles(path).wal
    copies = (*filter(has_bytes, [wal]), *Siblings(path).backups(), *filter(_is_state, state_files))
    for copy in copies:
        kind = f"{what}, but {copy.name} is there"
        remedy = f"bring the store back from it: recover_store({str(path)!r})"
        if state_text.is_kept_by_hand(_beginning(copy)):
            kind += ": a state file that a program keeps by hand, without a store"
            remedy = f"take its job into a store: CheckpointStore({str(path)!r}).import_state({str(copy)!r})"
        return StoreTargetError(path, f"{kind}; {remedy}")
    for copy in state_files:
        if state_text.lacks_id(_beginning(copy)):
            kind = f"{what}, but {copy.name} is there: a state without the entry job_id"
            return StoreTargetError(path, f"{kind}; write the entry, such as a UUID, into {copy}")
    return StoreTargetError(path, f"{what}, and read_only=True creates nothing" if is_there(path) else what)


def _is_state(path: Path) -> bool:
    return state_text.looks_like_state(_beginning(path))


def _beginning(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(_BEGIN_BYTES)
    return b""


def check_version(path: Path, version: str) -> None:
    """Raise :class:`SchemaTooOld` unless ``version`` is the one that this code works with."""
    if version != SCHEMA_VERSION:
        raise SchemaTooOld(path, version or "none", SCHEMA_VERSION)
