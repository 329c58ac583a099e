"""A damaged letter in the schema of a store file costs nothing: the rows of the table are whole."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StorageFullError, recover_store

from .recovery_tools import TOTAL, _make, _open_recovered, _result

if TYPE_CHECKING:
    from pathlib import Path

DAMAGED = {
    "a column of the results": (b"digest TEXT NOT NULL, \n\tC", b"digesv TEXT NOT NULL, \n\tC"),
    "the key of the results": (b"\tresult_id INTEGER NOT NULL", b"\tresult_id INTEGER\x0eNOT NULL"),
    "the name of a table": (b"CREATE TABLE completed_chunks", b"CREATE TABLE complet\xe5d_chunks"),
    "how a table is stored": (b"WITHOUT ROWID", b"WITHOUT BOWID"),
}


def _damage(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.slow_variants
@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_letter_in_the_schema_loses_nothing_without_any_other_copy(tmp_path: Path, what: str) -> None:
    """The text of a table is known: the recovery puts it right in a copy, reads every row, and keeps the old file."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    _damage(path, *DAMAGED[what])
    damaged = path.read_bytes()
    with _open_recovered(path, state_file=None) as store:
        assert list(store.job("talk.srt").results()) == [_result(index) for index in range(TOTAL)]
        assert store.check() == []
    assert [aside.read_bytes() for aside in tmp_path.glob("*.corrupt-*")] == [damaged]
    assert list(tmp_path.glob("*.tmp-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("before", [1, 2, 6])
def test_a_flipped_bit_before_a_row_of_the_schema_loses_nothing_without_any_other_copy(
    tmp_path: Path, before: int
) -> None:
    """A flipped bit in the schema makes SQLite read no table at all; the recovery reads the tables by the schema of a new store."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    content = bytearray(path.read_bytes())
    content[content.index(b"tablechunk_resultschunk_results") - before] ^= 1 << 3  # a length in the head of the row
    path.write_bytes(content)
    with _open_recovered(path, state_file=None) as store:
        assert list(store.job("talk.srt").results()) == [_result(index) for index in range(TOTAL)]
        assert store.check() == []


def test_a_damaged_schema_with_a_wal_beside_it_loses_nothing(tmp_path: Path) -> None:
    """The rows that only the WAL has come back, too, if a letter of the schema in the file is damaged."""
    _make(tmp_path, done=5, backup=False, state_file=False)
    source, target = tmp_path / "talks.db", tmp_path / "killed" / "talks.db"
    target.parent.mkdir(mode=0o700)
    with CheckpointStore(source, state_file=None) as store:
        store.job("talk.srt").complete(5, _result(5))
        for ending in ("", "-wal"):  # as a kill leaves them
            shutil.copyfile(f"{source}{ending}", f"{target}{ending}")
    _damage(target, *DAMAGED["a column of the results"])
    with _open_recovered(target, state_file=None) as store:
        assert dict(store.job("talk.srt").items()) == {index: _result(index) for index in range(6)}


@pytest.mark.slow
@pytest.mark.parametrize("field", ["type", "name", "tbl_name"])
def test_a_lost_field_in_the_schema_loses_nothing_without_any_other_copy(tmp_path: Path, field: str) -> None:
    """A damaged byte may take a name from the schema: the recovery puts it back in a copy, and reads every row."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(f"UPDATE sqlite_master SET {field} = NULL WHERE name = 'chunk_results'")
    with _open_recovered(path, state_file=None) as store:
        assert list(store.job("talk.srt").results()) == [_result(index) for index in range(TOTAL)]
        assert store.check() == []


def test_a_full_disk_does_not_look_like_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the copy that is mended, the recovery says so, and changes nothing."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    _damage(path, *DAMAGED["a column of the results"])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageFullError):
        patch.setattr(shutil, "copyfile", full)
        recover_store(path, accept_loss=True)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("talks.db?*")) == []


def test_a_column_that_a_user_added_is_no_damage(tmp_path: Path) -> None:
    """A recovery reads a table that a user has extended as it stands."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("ALTER TABLE chunk_results ADD COLUMN note TEXT")
    _damage(path, *DAMAGED["the name of a table"])
    with _open_recovered(path, state_file=None) as store:
        assert list(store.job("talk.srt").results()) == [_result(index) for index in range(TOTAL)]
