"""Mend the header and the schema in a copy of a store file: one damaged byte there hides rows that are whole."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from functools import cache
from operator import ne
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.store_file import RELEASED_VERSIONS
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, open_copy
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.connection.header import mended_header
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.upgrade.migrate import upgrade_in_memory
from checkpoint_store.system.files import create_private, storage_error, temporary_path
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_DAMAGED_SHARE_MAX: Final = 0.1
"""An entry that differs in more of its bytes is the work of a user, or of another program."""
_MEND: Final = """
UPDATE sqlite_master SET type = CAST(? AS TEXT), name = CAST(? AS TEXT), tbl_name = CAST(? AS TEXT),
    sql = nullif(CAST(? AS TEXT), '') WHERE rowid = ?
"""


@contextmanager
def with_whole_schema(path: Path, how: str) -> Iterator[Path]:
    """Give a store file like the one at ``path`` whose header and schema are mended, as far as their bytes are known.

    Where nothing is to be mended, that is the file at ``path``. With :data:`ALONE` the file is not changed. Else it is
    a copy of the caller, and is mended itself.

    Raises:
        StorageFullError: the disk has no room for a copy. What cannot be read without a copy would look lost.
    """
    apart = temporary_path(path) if how == ALONE else path
    try:
        yield apart if _is_mended(path, apart, how) else path
    finally:
        if apart != path:
            StoreFiles(apart).remove()


def _is_mended(path: Path, apart: Path, how: str) -> bool:
    """Mend the file at ``apart``, which is a copy of ``path`` then. Return whether something was mended."""
    header = mended_header(path)
    mends = {} if header is not None else _mends(path, how)
    if header is None and not mends:
        return False
    try:
        if apart != path:
            create_private(apart)
            shutil.copyfile(path, apart)
        if header is not None:
            with apart.open("r+b") as file:
                file.write(header)
            mends = _mends(apart, how)
        if mends:
            _mend(apart, mends)
    except OSError as error:
        raise storage_error(error, path) from error
    except UNREADABLE as error:
        if sqlite_errors.says_nothing_of_contents(error):
            raise sqlite_errors.translate(error, path, 0.0) from error
        log_suppressed(error, f"a copy of {path} could not be mended")
        return False
    return True


def _mends(path: Path, how: str) -> dict[int, Entry]:
    """Return what a released schema has in the place of each damaged entry, by the row of the entry."""
    try:
        with closing(open_copy(path, how)) as connection:
            entries = {row: tuple(entry) for row, *entry in connection.execute(ENTRIES)}
    except UNREADABLE as error:
        log.debug("the schema of %s cannot be read: %s", path, error)
        return {}
    known, _ = _known()
    missing = known.difference(entries.values())
    nearest = {row: _nearest(entry, missing) for row, entry in entries.items() if entry not in known}
    return {row: entry for row, entry in nearest.items() if entry is not None}


def _nearest(damaged: Entry, missing: frozenset[Entry]) -> Entry | None:
    alike = [(_distance(damaged, entry), entry) for entry in missing if _may_be(damaged, entry)]
    distance, nearest = min(alike, default=(0, None))
    return nearest if distance <= len(b"".join(nearest or ())) * _DAMAGED_SHARE_MAX else None


def _may_be(damaged: Entry, known: Entry) -> bool:
    """Whether each field has the length of the known one, or is lost."""
    return all(len(field) in (0, len(whole)) for field, whole in zip(damaged, known, strict=True))


def _distance(damaged: Entry, known: Entry) -> int:
    pairs = zip(damaged, known, strict=True)
    return sum(sum(map(ne, field or bytes(len(whole)), whole)) for field, whole in pairs)


def _mend(copy: Path, mends: dict[int, Entry]) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for row, entry in mends.items():
            connection.execute(_MEND, (*entry, row))


Entry = tuple[bytes, ...]
"""The type, the name, the table and the SQL text of a table or an index, as bytes: damage may make a text of none."""

ENTRIES: Final = """
SELECT rowid, coalesce(CAST(type AS BLOB), x''), coalesce(CAST(name AS BLOB), x''),
    coalesce(CAST(tbl_name AS BLOB), x''), coalesce(CAST(sql AS BLOB), x'')
FROM sqlite_master ORDER BY rowid
"""
"""The entries of a schema, by the row of each. Damage may leave NULL in the place of a text."""


_NAMES: Final = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
_COLUMN_NAMES: Final = "SELECT name FROM pragma_table_xinfo(?)"


def foreign_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return what the schema of a store has and no released schema has, such as ``table notes``, in order."""
    return tuple(sorted(_names(connection) - _known()[1]))


@cache
def _known() -> tuple[frozenset[Entry], frozenset[str]]:
    """Return the tables and indexes of all released schemas, and the names in them, in some tenths of a second."""
    entries, names = set[Entry](), set[str]()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for version in RELEASED_VERSIONS:
            upgrade_in_memory(connection, version)
            entries |= {tuple(entry) for _, *entry in connection.execute(ENTRIES) if entry[0] != b"view"}
            names |= _names(connection)
    return frozenset(entries), frozenset(names)


def _names(connection: sqlite3.Connection) -> set[str]:
    columns = {f"column {table}.{name}" for table in COLUMNS for (name,) in connection.execute(_COLUMN_NAMES, (table,))}
    return columns | {f"{kind} {name}" for kind, name in connection.execute(_NAMES)}
