"""A damaged byte in the header of a store file costs nothing, and makes no other program's file of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreTargetError

from .recovery_tools import TOTAL, _make, _open_recovered, _result

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [
    pytest.param(3, id="magic"),
    pytest.param(16, id="page size"),
    pytest.param(19, id="version", marks=pytest.mark.slow),
    pytest.param(21, id="fraction", marks=pytest.mark.slow),
    pytest.param(47, id="format", marks=pytest.mark.slow),
    pytest.param(70, id="mark", marks=pytest.mark.slow),
]


@pytest.mark.slow_variants
@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_byte_in_the_header_loses_nothing_without_any_other_copy(tmp_path: Path, place: int) -> None:
    """The bytes of the header are known: the recovery puts them right in a copy, and keeps the damaged file."""
    _make(tmp_path, backup=False, state_file=False)
    path = tmp_path / "talks.db"
    content = bytearray(path.read_bytes())
    content[place] ^= 8
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        CheckpointStore(path, read_only=True)
    with _open_recovered(path, state_file=None) as store:
        assert list(store.job("talk.srt").results()) == [_result(index) for index in range(TOTAL)]
    assert [aside.read_bytes() for aside in tmp_path.glob("*.corrupt-*")] == [bytes(content)]


@pytest.mark.parametrize("mark", [0, 0x43504200, 0x12345678])
def test_a_database_with_another_mark_is_not_taken_for_a_damaged_store(tmp_path: Path, mark: int) -> None:
    """A SQLite file with the mark of another program, or without a mark, is refused and stays as it was."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("CREATE TABLE notes (note TEXT)")
        driver.execute(f"PRAGMA application_id = {mark}")
        driver.commit()
    before = path.read_bytes()
    for content in (before, b"\0" + before[1:]):
        path.write_bytes(content)
        with pytest.raises((StoreTargetError, StoreDamaged)):
            CheckpointStore(path)
        assert [(file.name, file.read_bytes()) for file in tmp_path.glob("theirs.db*")] == [(path.name, content)]
