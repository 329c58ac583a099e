"""Damage that is found while reading is healed where any copy has what was written."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import snapshot

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOTAL = 40
BIG = 12


def _result(index: int) -> dict[str, Any]:
    return {"cleaned_text": f"{index:04d} " + "the river rises " * (600 if index % BIG == 0 else 20), "cost": 0.5}


def _make(folder: Path) -> str:
    """Make a store with a state file that has everything, and backups of an earlier moment and of its end."""
    with CheckpointStore(folder / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL, model="m")
        for chunk in job.pending():
            chunk.complete(_result(chunk.index))
        job.finish()
        return job.job_id


def _spoil(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount > 0


def _spoil_text(path: Path, *indices: int) -> None:
    for index in indices:
        text = "UPDATE chunk_results SET result = replace(result, 'river', 'rover') WHERE chunk_index = ?"
        _spoil(path, text, index)


def _no_backups(folder: Path) -> None:
    for backup in folder.glob("talks.db.backup-*"):
        backup.unlink()


def _no_state_files(folder: Path) -> None:
    for name in ("talks.json", "talks.bak"):
        (folder / name).unlink(missing_ok=True)


READS: dict[str, Callable[[CheckpointStore, str], Any]] = {
    "items": lambda store, job_id: dict(store.job(job_id).items()),
    "results": lambda store, job_id: dict(enumerate(store.job(job_id).results())),
    "result": lambda store, job_id: {index: store.job(job_id).result(index) for index in range(TOTAL)},
    "state": lambda store, job_id: dict(enumerate(store.job(job_id).state().to_dict()["processed_results"])),
}
WHOLE = {index: _result(index) for index in range(TOTAL)}


@pytest.mark.slow_variants
@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
@pytest.mark.parametrize("without", [_no_backups, _no_state_files])
def test_a_damaged_result_is_put_back_and_the_read_goes_on(
    tmp_path: Path, read: Callable[[CheckpointStore, str], Any], without: Callable[[Path], None]
) -> None:
    """Every way to read hands out what was written, warns once, and leaves a store that is sound."""
    job_id = _make(tmp_path)
    _spoil_text(tmp_path / "talks.db", 3, 7, 24)
    without(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.check() != []
        with pytest.warns(StoreRecovered, match=r"3 damaged results .* put back: 3 from the ") as warned:
            assert read(store, job_id) == WHOLE
        assert [one.filename for one in warned] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read(store, job_id) == WHOLE
        assert store.check() == []


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE completed_chunks SET digest = ? WHERE chunk_index = 5", ("0" * 32,)),
        ("UPDATE chunk_results SET digest = ? WHERE chunk_index = 5", ("0" * 32,)),
        ("UPDATE completed_chunks SET result_id = ? WHERE chunk_index = 5", (9_999,)),
        ("UPDATE completed_chunks SET result_id = ? WHERE chunk_index = 5", (2,)),
        ("UPDATE chunk_results SET job_id = ?, digest = '' WHERE chunk_index = 5", ("elsewhere",)),
        ("UPDATE chunk_results SET result = CAST(? AS TEXT) WHERE chunk_index = 5", (b'{"a": "\xf5"}',)),
    ],
    ids=["digest", "digest beside", "link to nothing", "link to another", "row's job", "no UTF-8"],
)
def test_a_damaged_digest_or_link_is_mended(tmp_path: Path, statement: str, values: tuple[Any, ...]) -> None:
    """A damaged digest or link is mended, and mending it harms no other result."""
    job_id = _make(tmp_path)
    _spoil(tmp_path / "talks.db", statement, *values)
    with CheckpointStore(tmp_path / "talks.db") as store:
        with pytest.warns(StoreRecovered):
            assert dict(store.job(job_id).items()) == WHOLE
        assert store.check() == []
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == WHOLE


@pytest.mark.slow_variants
@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
def test_a_read_only_store_hands_out_what_a_copy_has(
    tmp_path: Path, read: Callable[[CheckpointStore, str], Any]
) -> None:
    """A read-only store reads a damaged result from a copy, gives the same warning, and touches no file."""
    job_id = _make(tmp_path)
    _spoil_text(tmp_path / "talks.db", 3, 24)
    _spoil(tmp_path / "talks.db", "UPDATE chunk_results SET result = CAST(? AS TEXT) WHERE chunk_index = 5", b"\xf5")
    _spoil(tmp_path / "talks.db", "UPDATE completed_chunks SET digest = ? WHERE chunk_index = 6", "0" * 32)
    before = snapshot(tmp_path)
    with (
        CheckpointStore(tmp_path / "talks.db", read_only=True) as store,
        pytest.warns(StoreRecovered, match="not put back"),
    ):
        assert read(store, job_id) == WHOLE
    assert snapshot(tmp_path) == before


def test_what_no_copy_has_stops_and_the_rest_is_put_back(tmp_path: Path) -> None:
    """Reading a damaged result that no copy has raises and names it; the other damaged results are put back."""
    job_id = _make(tmp_path)
    _no_state_files(tmp_path)
    for copy in (*tmp_path.glob("talks.db.backup-*"), tmp_path / "talks.db"):
        _spoil_text(copy, 9)
    _spoil_text(tmp_path / "talks.db", 3)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.job(job_id)
        with pytest.warns(StoreRecovered, match="no copy has the other 1"):
            assert job.result(3) == _result(3)
        with pytest.raises(StoreDamaged, match="recover") as caught:
            list(job.items())
        assert (caught.value.job_id, caught.value.chunk_index) == (job_id, 9)
        assert [problem.chunk_index for problem in store.check()] == [9]


def test_a_result_that_was_replaced_since_does_not_come_back(tmp_path: Path) -> None:
    """The digest decides: an older result of the chunk in a backup is not handed out for the newer one."""
    job_id = _make(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete(3, {"cleaned_text": "the new river"}, replace=True)
    _spoil_text(tmp_path / "talks.db", 3)
    _no_state_files(tmp_path)
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store, pytest.raises(StoreDamaged):
        store.job(job_id).result(3)


def test_a_pointer_into_another_result_is_not_written_through(tmp_path: Path) -> None:
    """A damaged link between pages may lead into another result: what is damaged is read from a copy, and left."""
    job_id = _make(tmp_path)
    path = tmp_path / "talks.db"
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    at = _first_overflow(content, page, b"0000 ")
    content[at : at + 4] = _first_overflow_page(content, page, b"0012 ").to_bytes(4, "big")
    path.write_bytes(content)
    with (
        CheckpointStore(path, read_only=True) as store,
        pytest.warns(StoreRecovered, match="recover_store"),
    ):
        assert dict(store.job(job_id).items()) == WHOLE


def _first_overflow(content: bytearray, page: int, begins: bytes) -> int:
    """Return where the link to the first overflow page of a result stands, by the layout that SQLite documents."""
    usable = page
    for start in range(0, len(content), page):
        if content[start] != 13:  # a leaf of a table
            continue
        cells = int.from_bytes(content[start + 3 : start + 5], "big")
        for cell in range(cells):
            at = start + int.from_bytes(content[start + 8 + 2 * cell : start + 10 + 2 * cell], "big")
            size, after = _varint(content, at)
            _, after = _varint(content, after)
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            local = local if local <= usable - 35 else least
            if size > usable - 35 and begins in content[after : after + local]:
                return after + local
    raise AssertionError(begins)


def _first_overflow_page(content: bytearray, page: int, begins: bytes) -> int:
    at = _first_overflow(content, page, begins)
    return int.from_bytes(content[at : at + 4], "big")


def _varint(content: bytearray, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | content[at] & 0x7F
        at += 1
        if content[at - 1] < 0x80:
            return value, at


def test_a_list_of_chunks_that_ends_early_is_damage(tmp_path: Path) -> None:
    """Where a damaged key hides completed chunks, a read-only store does not pass over them without a word."""
    job_id = _make(tmp_path)
    _spoil(tmp_path / "talks.db", "DELETE FROM completed_chunks WHERE chunk_index > 30")
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store, pytest.raises(StoreDamaged, match="list"):
        list(store.job(job_id).items())
