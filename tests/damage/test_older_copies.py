"""A copy that an earlier version made brings its results back."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered, migrate, migration_status
from tests.migration.make_dump import CHUNKS, DUMPS, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow_variants
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_backup_of_an_older_schema_brings_its_jobs_and_results_back(tmp_path: Path, version: str) -> None:
    """A store is lost, and the newest backup was made before an upgrade: no result of the backup is paid for again."""
    dumped = (DUMPS / f"{version.replace('.', '_')}.sql").read_text(encoding="utf-8")
    load(dumped, tmp_path / f"talks.db.backup-{version}-0001")
    with pytest.warns(StoreRecovered):
        opened = CheckpointStore(tmp_path / "talks.db")
    with opened as store:
        jobs = {job.file_name: job.progress().completed_chunks for job in store.jobs()}
        (half_done,) = store.jobs(file_name="lecture.srt")
        assert [index for index, _ in half_done.items()] == [0, 1, 3]
        assert half_done.total_chunks == len(CHUNKS)
    assert jobs == {"lecture.srt": 3, "numbered.txt": 1, "done.txt": 1}


def gone_back(folder: Path, version: str) -> Path:
    """Make a store of this schema that has no result of a talk any more; its newest backup has those of chunks 0, 1, 3."""
    path = folder / "talks.db"
    backup = folder / f"talks.db.backup-{version}-0007"
    load((DUMPS / f"{version.replace('.', '_')}.sql").read_text(encoding="utf-8"), backup)
    shutil.copy(backup, path)
    with closing(sqlite3.connect(path)) as raw:
        for table in ("chunk_results", "completed_chunks"):
            raw.execute(
                f"DELETE FROM {table} WHERE job_id IN (SELECT job_id FROM jobs WHERE file_name = 'lecture.srt')"
            )
        raw.execute("UPDATE jobs SET completed_count = 0 WHERE file_name = 'lecture.srt'")
        raw.commit()
    return path


@pytest.mark.slow_variants
@pytest.mark.parametrize("version", ["1.0", "1.2", "1.4"])
def test_a_store_that_went_back_in_time_before_its_upgrade(tmp_path: Path, version: str) -> None:
    """Where a store lost its WAL, and a new version opens it first, the results come back from the older version's backup."""
    path = gone_back(tmp_path, version)
    with pytest.warns(StoreRecovered), CheckpointStore(path) as store:
        assert [index for index, _ in store.job("lecture.srt").items()] == [0, 1, 3]


@pytest.mark.parametrize("to", ["1.1", "1.3"])
def test_a_store_that_went_back_in_time_is_not_moved_to_another_schema(tmp_path: Path, to: str) -> None:
    """The copy that a migration makes would hide that a backup knows of more results: the migration is refused first."""
    path = gone_back(tmp_path, "1.2")
    with pytest.raises(StoreDamaged, match=r"talks\.db\.backup-1\.2-0007 knows of more completed chunks"):
        migrate(path, to=to)
    assert migration_status(path).current == "1.2"
    assert [file.name for file in tmp_path.glob("talks.db.backup*")] == ["talks.db.backup-1.2-0007"]


@pytest.mark.slow
def test_migrate_says_that_it_recovered_and_reads_the_state_file(tmp_path: Path) -> None:
    """A damaged store of an older schema gives what its state file has, too, and nobody takes the loss for an upgrade."""
    path, newest = tmp_path / "talks.db", tmp_path / "newest"
    newest.mkdir()
    load((DUMPS / "1_2.sql").read_text(encoding="utf-8"), path)
    shutil.copy(path, newest / "talks.db")
    with CheckpointStore(newest / "talks.db") as store:
        store.job("lecture.srt").complete(2, {"text": "of the state file"})
        store.job("lecture.srt").export(tmp_path / "talks.json")
    spoil(path)
    with pytest.warns(StoreRecovered, match="state file"):
        migrate(path)
    with CheckpointStore(path) as store:
        assert store.job("lecture.srt").result(2) == {"text": "of the state file"}


def spoil(path: Path) -> None:
    """Make a store damaged: its completed chunks are not as many as its job says."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DELETE FROM completed_chunks WHERE chunk_index = 3")
        raw.execute("DELETE FROM chunk_results WHERE chunk_index = 3")
        raw.commit()
