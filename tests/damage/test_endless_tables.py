"""A file whose pages lead in circles: reading it ends, by an error of the library's own."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError, StoreDamaged, StoreRecovered, doctor, recover_store
from checkpoint_store.storage.connection.errors import translate
from checkpoint_store.storage.connection.pragmas import UsedBy, connect_read_only

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = 6
"""With 90 children to a page, the table seems to have more than 90 ** 6 rows."""


def lead_in_circles(path: Path, table: str) -> None:
    """Put inner pages over the one page of a table; all children of each are the same page (sqlite.org/fileformat2.html)."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    raw = bytearray(path.read_bytes())
    (size,) = struct.unpack(">H", raw[16:18])
    leaf = raw[(root - 1) * size : root * size]
    assert leaf[0] == 13, "a leaf of a table"
    first = len(raw) // size + 1
    raw += leaf
    for level in range(LEVELS - 1):
        raw += inner_page(first + level, size)
    raw[(root - 1) * size : root * size] = inner_page(first + LEVELS - 1, size)
    raw[28:32] = struct.pack(">I", len(raw) // size)
    path.write_bytes(raw)


def inner_page(child: int, size: int) -> bytes:
    """A page of a table whose children are all the same page."""
    cells = [struct.pack(">I", child) + bytes([key]) for key in range(1, 91)]
    page, at = bytearray(size), size
    for number, cell in enumerate(cells):
        at -= len(cell)
        page[at : at + len(cell)] = cell
        page[12 + 2 * number : 14 + 2 * number] = struct.pack(">H", at)
    page[0] = 5
    page[3:7] = struct.pack(">HH", len(cells), at)
    page[8:12] = struct.pack(">I", child)
    return bytes(page)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A store whose table of jobs has no end."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        store.open_job("talk.srt", total_chunks=3).complete(0, {"n": 0})
    lead_in_circles(tmp_path / "talk.db", "jobs")
    return tmp_path / "talk.db"


def test_a_statement_without_an_end_is_damage(tmp_path: Path) -> None:
    """A statement on a file that nobody has checked takes as many steps as the size of the file allows, and no more."""
    path = tmp_path / "talk.db"
    path.touch()
    with closing(connect_read_only(path, used_by=UsedBy.NOBODY)) as connection:
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
        assert "does not end" in str(translate(raised.value, path, 0.0))


@pytest.mark.slow
def test_an_endless_table_is_damage(endless: Path) -> None:
    """What is read of a file that nobody has checked is bounded by its size; `check` says what is wrong with it."""
    with CheckpointStore(endless, read_only=True) as store:
        with pytest.raises(StoreDamaged, match="does not end"):
            store.jobs()
        assert [problem.what for problem in store.check()] == ["the database's structure"] * len(store.check())


@pytest.mark.slow
def test_what_writes_finds_it_too(endless: Path, tmp_path: Path) -> None:
    """`doctor` and `merge` end; an opening makes the store anew, and the completed chunk is there."""
    assert any(finding.level == "problem" for finding in doctor(endless))
    with CheckpointStore(tmp_path / "mine.db") as store, pytest.raises(CheckpointStoreError, match="damaged"):
        store.merge(endless)
    with pytest.warns(StoreRecovered), CheckpointStore(endless) as store:
        assert dict(store.job("talk.srt").items()) == {0: {"n": 0}}
    recover_store(endless)
