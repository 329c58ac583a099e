"""The pages of a new store, for a file that has lost its own: the layout of two stores of one schema is the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.pragmas import PAGE_BYTES
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.system.files import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

_HEADER: Final = slice(0, 100)
_PAGE_COUNT: Final = slice(28, 32)
_PAGES_OF_TABLES: Final = 40
"""The pages at the beginning of a store: its schema, and the first page of each table and index."""
_INDEXES, _TABLES = b"\2\n", b"\5\r"
"""The first byte of a page of an index, and of a table: an inner page or a leaf (sqlite.org/fileformat2.html, 1.6)."""


class NewStore(NamedTuple):
    """The content of a store without jobs."""

    pages: bytes
    roots: frozenset[int]
    """The numbers of the first pages of its tables and indexes. All other pages are the schema."""


def read_new_store(path: Path) -> NewStore:
    """Return the content of the store at ``path``, which has no job and which no process has open."""

    def read() -> NewStore:
        with closing(sqlite3.connect(path)) as connection:
            roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0").fetchall()
        return NewStore(path.read_bytes(), frozenset(root for (root,) in roots))

    with storage_errors(path), sqlite_errors.translated(path):
        return sqlite_errors.repeated_once(read, path)


def put_schema(new: NewStore, copy: Path) -> bool:
    """Write the schema of a new store into a copy. Return False, and write nothing, if the copy has another layout."""
    content = bytearray(copy.read_bytes())
    header = content[_HEADER]
    for root in new.roots:
        start = (root - 1) * PAGE_BYTES
        kinds = _TABLES if new.pages[start] in _TABLES else _INDEXES
        if not any(content[start : start + 1].startswith(bytes([kind])) for kind in kinds):
            return False
    for number in set(range(1, len(new.pages) // PAGE_BYTES + 1)).difference(new.roots):
        page = slice((number - 1) * PAGE_BYTES, number * PAGE_BYTES)
        content[page] = new.pages[page]
    content[_HEADER] = header
    copy.write_bytes(content)
    return True


def lacks_beginning(path: Path) -> bool:
    """Whether a file lacks pages of its tables: it was emptied, and at most the WAL was copied into it since."""
    if not has_bytes(path):
        return has_bytes(StoreFiles(path).wal)
    with suppress(OSError), path.open("rb") as file:
        first = file.read(PAGE_BYTES)
        pages = int.from_bytes(first[_PAGE_COUNT], "big")
        return not any(first) or not all(any(file.read(PAGE_BYTES)) for _ in range(1, min(pages, _PAGES_OF_TABLES)))
    return False
