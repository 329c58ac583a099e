"""Schema 1.3: an upgrade tells which jobs of a file were replaced, and who paid; going back refuses to forget that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, MigrationFailed
from checkpoint_store.maintenance import migrate

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

_JOB = "INSERT INTO jobs ({}) SELECT {} FROM jobs WHERE file_name = 'done.txt'"


def old_store(path: Path) -> Path:
    """Make a store of 1.2 in which a file has three jobs, and a nameless state two."""
    make_dump.load((make_dump.DUMPS / "1_2.sql").read_text(encoding="utf-8"), path)
    with closing(sqlite3.connect(path)) as raw, raw:
        names = [row[1] for row in raw.execute("PRAGMA table_info(jobs)")]
        for number, job_id, name in ((11, "a", "f"), (12, "b", "f"), (13, "c", "f"), (14, "d", ""), (15, "e", "")):
            new: dict[str, Any] = {"job_number": number, "job_id": f"'{job_id}'", "file_name": f"'{name}'"}
            new |= {"is_current": 0, "completed_count": 0, "status": "'running'"}
            raw.execute(_JOB.format(", ".join(names), ", ".join(str(new.get(column, column)) for column in names)))
    return path


def test_an_upgrade_says_which_jobs_were_replaced(tmp_path: Path) -> None:
    """An upgrade marks all jobs of a file but the one opened last as superseded, and no job without a file name."""
    with CheckpointStore(old_store(tmp_path / "talks.db"), state_file=None) as store:
        found = {job.job_id: job.superseded_by for job in store.jobs() if len(job.job_id) == 1}
        assert found == {"a": "c", "b": "c", "c": None, "d": None, "e": None}
        incomplete = [job.job_id for job in store.incomplete_jobs()]
        assert [job_id for job_id in incomplete if len(job_id) == 1] == ["e", "d", "c"]


@pytest.mark.slow
def test_going_back_keeps_all_that_1_2_knows(tmp_path: Path) -> None:
    """Without carried results the way back and forth changes no job and no result; with one it is refused."""
    path = old_store(tmp_path / "talks.db")
    with CheckpointStore(path, state_file=None) as store:
        before = [job.state().replace(version="1.2") for job in store.jobs()]
    migrate(path, to="1.2")
    with closing(sqlite3.connect(path)) as raw:
        columns = {
            row[1] for table in ("jobs", "completed_chunks") for row in raw.execute(f"PRAGMA table_info({table})")
        }
        assert not columns & {"superseded_by", "fingerprint_rule", "source_job_id", "source_chunk_index"}
        assert "carried" not in [column[0] for column in raw.execute("SELECT * FROM job_costs").description]
    with CheckpointStore(path, state_file=None) as store:
        assert [job.state().replace(version="1.2") for job in store.jobs()] == before
        store.open_job("other.txt", chunks=["x", make_dump.CHUNKS[0]], **SETTINGS, on_change="reuse")
    with pytest.raises(MigrationFailed, match="1 result was carried over"):
        migrate(path, to="1.2")


SETTINGS: dict[str, Any] = {
    "model": "m-1",
    "provider": "p-1",
    "config": {"chunk_size": 2000, "language": "en", "nested": {"a": [1, None]}},
}


@pytest.mark.slow
def test_a_recovery_keeps_who_paid_and_what_was_replaced(tmp_path: Path) -> None:
    """A store that is made anew from its backup counts money as before, and offers no replaced job."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        first = store.open_job("f", chunks=["a", "b"])
        first.complete(0, {"cost": 1.0})
        second = store.open_job("f", chunks=["a", "a", "c"], on_change="reuse")
        third = store.open_job("f", chunks=["a", "b"], model="other", on_change="restart")
        store.open_job("f", chunks=["a", "b"])
        before = _facts(path)
        store.backup(tmp_path / "kept.db")
    for name in ("talks.db", "talks.db-wal", "talks.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    (tmp_path / "kept.db").rename(tmp_path / "talks.db.backup-1.5-0001")
    with pytest.warns(UserWarning, match="made anew"):
        store = CheckpointStore(path)
    with store:
        assert _facts(path) == before
        assert [job.job_id for job in store.incomplete_jobs()] == [first.job_id]
        assert store.job(second.job_id).totals("cost") == {"cost": 1.0}
        assert store.job(third.job_id).superseded_by == first.job_id


def _facts(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as raw:
        jobs = raw.execute("SELECT job_id, superseded_by, fingerprint_rule FROM jobs ORDER BY job_id").fetchall()
        columns = "job_id, chunk_index, fingerprint, source_job_id, source_chunk_index"
        return [*jobs, *raw.execute(f"SELECT {columns} FROM completed_chunks ORDER BY job_id, chunk_index").fetchall()]
