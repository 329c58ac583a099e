"""A row with a value that no store writes, in any table: a recovery leaves out the value, and keeps every result."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreRecovered, recover_store

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store import Job

CHUNKS = {"k0": "a", "k1": "b", "k2": "c", "k3": "d"}
RECOVERED = {
    "a runner that is neither alone nor not": "UPDATE runners SET exclusive = 7",
    "a runner without a process": "UPDATE runners SET pid = NULL",
    "a runner without a lock": "UPDATE runners SET lock_file = NULL",
    "a word for the time of a runner": "UPDATE runners SET started_at = 'today'",
    "an infinite cost": "UPDATE attempts SET cost = 9e999",
    "a word for a cost": "UPDATE attempts SET cost = 'much'",
    "a blob for an error": "UPDATE attempts SET error = x'ff'",
    "a word for the time of an attempt": "UPDATE attempts SET started_at = 'today'",
    "a word for a completion's time": "UPDATE completed_chunks SET completed_at = 'today'",
    "a blob for a fingerprint": "UPDATE completed_chunks SET fingerprint = x'ff'",
    "a blob for a payer": "UPDATE completed_chunks SET source_job_id = x'ff'",
    "a blob for a handle's fingerprint": "UPDATE chunk_handles SET fingerprint = x'ff'",
    "a word for a handle's time": "UPDATE chunk_handles SET recorded_at = 'today'",
    "a word for a redo's time": "UPDATE chunk_redos SET asked_at = 'today'",
}
OPENED = {
    "a text for a chunk": "UPDATE completed_chunks SET chunk_index = '' WHERE chunk_index = 3",
    "a blob for a chunk": "UPDATE completed_chunks SET chunk_index = x'' WHERE chunk_index = 3",
    "a text for a chunk to redo": "UPDATE chunk_redos SET chunk_index = 'one'",
    "a text for a redo's attempt": "UPDATE chunk_redos SET after_attempt = 'two'",
    "a text for a replaced result": "UPDATE attempts SET replaced_result_id = 'three' WHERE chunk_index = 0",
    "no id": "UPDATE jobs SET job_id = '' WHERE total_chunks = 1",
}


def _work(chunk: str) -> dict[str, Any]:
    if chunk == "c":
        raise ValueError("no answer")
    return {"text": chunk, "cost": 0.5}


def _open(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", chunks=CHUNKS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store that has rows in all tables, and a state file."""
    folder = tmp_path_factory.mktemp("made")
    with CheckpointStore(folder / "talks.db") as store:
        store.open_job("note.txt", total_chunks=1)
        job = _open(store)
        list(job.map(_work, on_error="record", max_attempts=1))
        job.record_handle([2], "batch-7")
        job.redo([1])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    return shutil.copytree(made, tmp_path / "store")


def _edit(path: Path, change: str) -> None:
    """Make a change that no constraint allows, as a damaged bit does."""
    not_null = " NOT NULL"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        table = change.split()[1]
        (text,) = file.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        file.execute("PRAGMA writable_schema = ON")
        file.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text.replace(not_null, ""), table))
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        assert file.execute(change).rowcount > 0
        file.execute("PRAGMA writable_schema = ON")
        file.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text, table))


@pytest.mark.slow
@pytest.mark.parametrize("change", RECOVERED.values(), ids=RECOVERED)
def test_a_recovered_store_has_no_row_that_cannot_be_read(folder: Path, change: str) -> None:
    """recover_store makes a sound store with every result, whatever a row of a smaller table holds."""
    _edit(folder / "talks.db", change)

    recover_store(folder / "talks.db")

    with CheckpointStore(folder / "talks.db") as store:
        job = store.job("talk.srt")
        assert store.check() == []
        assert {index: result["text"] for index, result in job.items()} == {0: "a", 1: "b", 3: "d"}
        assert job.in_doubt_chunks() == []
        assert list(job.completions())
        assert len(list(job.attempts())) <= len(CHUNKS)


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", OPENED.values(), ids=OPENED)
def test_an_open_recovers_a_store_with_a_text_for_a_number(folder: Path, change: str) -> None:
    """A column that is computed with holds a text or a blob: the next open recovers the store, and no result is lost."""
    _edit(folder / "talks.db", change)

    with pytest.warns(StoreRecovered):
        store = CheckpointStore(folder / "talks.db")
    with store:
        job = _open(store)
        done = {index: result["text"] for index, result in job.items()}
        assert store.check() == []
        assert job.costs().cost == pytest.approx(1.5)
    assert done == {0: "a", 1: "b", 3: "d"}


@pytest.mark.slow_variants
@pytest.mark.parametrize("count", ["NULL", "x''", "'many'", "1.5"])
def test_a_damaged_row_in_a_backup_keeps_no_sound_store_closed(folder: Path, count: str) -> None:
    """Nothing can be compared with a count that is no number: the store opens without a recovery."""
    for backup in folder.glob("talks.db.backup-*"):
        _edit(backup, f"UPDATE jobs SET completed_count = {count}")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with CheckpointStore(folder / "talks.db") as store:
            assert len(list(store.job("talk.srt").items())) == len(CHUNKS) - 1
