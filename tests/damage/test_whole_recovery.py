"""A recovery puts a file in place that is whole by itself, or none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.maintenance import recover_store
from checkpoint_store.storage.checks.sqlite_siblings import deleted_jobs
from checkpoint_store.storage.recovery import merge_copies

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_recovery_that_cannot_copy_its_log_puts_nothing_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file's last pages stand in its WAL until they are copied; without the WAL it would be no database."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=3).complete_many([(0, "one"), (1, "two"), (2, "three")])
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)
    damaged = path.read_bytes()
    readers: list[sqlite3.Connection] = []
    real = merge_copies._fill

    def filled_beside_a_reader(connection: Any, copies: Any, deleted: Any, fresh: Path) -> Any:
        readers.append(sqlite3.connect(fresh, isolation_level=None))
        readers[0].execute("BEGIN")
        readers[0].execute("SELECT count(*) FROM jobs").fetchone()
        return real(connection, copies, deleted, fresh)

    with monkeypatch.context() as patch:
        patch.setattr(merge_copies, "_fill", filled_beside_a_reader)
        with pytest.raises(CheckpointStoreError):
            recover_store(path)
    readers[0].close()
    assert path.read_bytes() == damaged
    assert [name.name for name in tmp_path.iterdir() if ".tmp-" in name.name or ".recovered" in name.name] == []
    recover_store(path)
    with CheckpointStore(path) as store:
        assert [list(job.results()) for job in store.jobs()] == [["one", "two", "three"]]


@pytest.mark.slow
def test_a_page_of_another_table_deletes_no_job(tmp_path: Path) -> None:
    """Where a page of chunks overwrote the page of deleted jobs, the backup's chunks come back: nobody deleted their job."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", chunks=["a", "b", "c"])
        job.complete_many([(0, "A"), (1, "B"), (2, "C")])
        copy = store.backup(tmp_path / "copy.db")
    copy.rename(tmp_path / "talks.db.backup-1.5-0009")
    for state_file in (path.with_suffix(".json"), path.with_suffix(".bak")):
        state_file.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as raw:
        roots = dict(raw.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage"))
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    pages = {name: slice((root - 1) * size, root * size) for name, root in roots.items()}
    content[pages["deleted_jobs"]] = content[pages["completed_chunks"]]
    content[pages["jobs"]] = bytes(size)
    path.write_bytes(content)
    recover_store(path)
    with CheckpointStore(path) as store:
        assert dict(store.job("talk.srt").items()) == {0: "A", 1: "B", 2: "C"}


@each_case("moment", ["8", "20240101", "0001-01-01T00:00:00+23:59", None])
def test_a_deletion_is_believed_with_its_time_alone(moment: str | None) -> None:
    """No number of a chunk, no date and no moment before the first day deletes a job."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.execute("CREATE TABLE deleted_jobs (job_id TEXT, deleted_at TEXT)")
        raw.execute("INSERT INTO deleted_jobs VALUES ('gone', '2026-11-28T16:00:00.000Z'), ('kept', ?)", (moment,))
        assert deleted_jobs(raw) == {"gone": "2026-11-28T16:00:00.000Z"}
