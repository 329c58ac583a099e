"""A store of many jobs: they are read by pages of rows, and nobody can tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, JobsPassedOver, StoreDamaged

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 450
COPY = """
WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO jobs ({names}) SELECT {values} FROM jobs, numbers WHERE job_number = 1
"""
OTHER = {
    "job_number": "n",
    "job_id": "'job-' || n",
    "file_name": "'talk-' || n || '.srt'",
    "total_chunks": "n",
    "is_current": "0",
}


def _raw(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a store with many jobs: the first was opened, the others are copies of its row."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk-1.srt", total_chunks=1, model="m", config={"size": 1}, sequential=True)
        with closing(sqlite3.connect(path)) as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        values = ", ".join(OTHER.get(name, name) for name in names)
        _raw(path, COPY.format(names=", ".join(names), values=values), COUNT)
    return path


def test_many_jobs_are_listed_in_order_each_with_its_own_row(path: Path) -> None:
    """Every job is listed once, the newest first, with its own settings, and a config that is nobody else's."""
    with CheckpointStore(path, state_file=None) as store:
        jobs = store.jobs()
        expected = [(f"talk-{number}.srt", number, "m", True) for number in range(COUNT, 0, -1)]
        assert [(job.file_name, job.total_chunks, job.model, job.sequential) for job in jobs] == expected
        jobs[0].config["size"] = 2
        assert {job.config["size"] for job in jobs[1:]} == {1}


def test_a_row_that_does_not_read_is_named_wherever_it_stands(path: Path) -> None:
    """A damaged row among many is named with its job, column and value."""
    with CheckpointStore(path, state_file=None, read_only=True) as store:
        _raw(path, "UPDATE jobs SET updated_at = 'yesterday' WHERE job_number = 7")
        with pytest.warns(JobsPassedOver, match="job-7 is damaged.* updated_at is 'yesterday', not an ISO 8601 time"):
            assert "job-7" not in [job.job_id for job in store.jobs()]
        with pytest.raises(StoreDamaged, match="updated_at is 'yesterday', not an ISO 8601 time") as caught:
            store.job("job-7")
        assert caught.value.job_id == "job-7"


def test_a_listed_job_learns_that_it_grew(store: CheckpointStore) -> None:
    """A job of a list sees the chunks that another object of this process let it grow by."""
    store.open_job("feed", chunks=["one"]).complete(0, "1")
    (listed,) = store.jobs()
    store.open_job("feed", chunks=["one", "two"], on_change="extend")
    assert listed.total_chunks == 2
