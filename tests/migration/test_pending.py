"""Schema 1.2: a job may be pending, and everything else is as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, MigrationFailed, ProcessingState, StateManager, migrate, migration_status

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("jobs", "completed_chunks", "chunk_results", "deleted_jobs", "attempts", "runners", "pauses")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The store of the frozen dump of 1.1."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / "1_1.sql").read_text(encoding="utf-8"), path)
    return path


def rows(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as raw:
        return {name: raw.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in TABLES}


def schema(path: Path) -> dict[str, str]:
    """What SQLite knows of each thing; a table that was renamed has its name in quotes."""
    with closing(sqlite3.connect(path)) as raw:
        return {name: sql.replace('"jobs"', "jobs") for name, sql in raw.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        )}  # fmt: skip


@pytest.mark.slow
def test_every_row_is_there_after_the_upgrade(old: Path) -> None:
    """Every row of every table is there after the upgrade, and after the way back."""
    before, as_1_1 = rows(old), schema(old)
    assert all(before[name] for name in ("jobs", "completed_chunks", "chunk_results", "attempts", "runners"))
    migrate(old, to="1.2")
    assert migration_status(old).current == "1.2"
    assert rows(old) == before
    assert schema(old) != as_1_1
    migrate(old, to="1.1")
    assert rows(old) == before
    assert schema(old) == as_1_1


@pytest.mark.slow
def test_what_refers_to_a_job_still_does(old: Path) -> None:
    """Foreign keys hold, deleting a job takes its chunks along, and the views show what they showed."""
    with CheckpointStore(old) as store:
        store.delete_job(store.jobs(file_name="lecture.srt")[0].job_id)
        assert store.check() == []
        assert {job.file_name for job in store.jobs()} == {"done.txt", "numbered.txt"}
    with closing(sqlite3.connect(old)) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("SELECT count(DISTINCT job_id) FROM completed_chunks").fetchone() == (2,)
        assert raw.execute("SELECT count(*) FROM attempts").fetchone() == (0,)
        assert raw.execute("SELECT count(*) FROM job_progress").fetchone() == (2,)


def test_a_pending_job_is_shown_and_goes_on(tmp_path: Path) -> None:
    """A pending job is shown in the view, in lists and in the state file, and ``open_job`` makes it run."""
    state = ProcessingState(file_name="talk.txt", total_chunks=2)
    with StateManager(tmp_path / "talks.json") as manager:
        manager.save(state)
        assert not manager.has_incomplete_job()
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        assert raw.execute("SELECT status FROM job_progress").fetchall() == [("pending",)]
        with pytest.raises(sqlite3.IntegrityError, match="ck_jobs_status"):
            raw.execute("UPDATE jobs SET status = 'asleep'")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [job.job_id for job in store.jobs(status="pending")] == [state.job_id]
        job = store.open_job("talk.txt", total_chunks=2)
        assert (job.job_id, job.status) == (state.job_id, "running")


@pytest.mark.slow
def test_the_way_back_is_refused_where_a_job_is_pending(tmp_path: Path) -> None:
    """The error says how many, and what to do; the file is as it was. Once none is, the way is free."""
    path = tmp_path / "talks.db"
    with StateManager(tmp_path / "talks.json") as manager:
        manager.save(ProcessingState(file_name="a", total_chunks=2))
    before = rows(path)
    with pytest.raises(MigrationFailed, match="no status 'pending', and 1 job has it"):
        migrate(path, to="1.1")
    assert (rows(path), migration_status(path).current) == (before, "1.5")
    with StateManager(tmp_path / "talks.json") as manager:
        manager.set_status("paused")
    migrate(path, to="1.1")
    assert migration_status(path).current == "1.1"
