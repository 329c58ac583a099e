"""A read-only store whose row of a job cannot be read shows all other jobs, and names the missing job."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, JobsPassedOver, StoreDamaged

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def odd(tmp_path: Path) -> tuple[Path, str]:
    """Return a store of three jobs, the row of the second one spoilt, and the id of that one."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        jobs = [store.open_job(name, chunks=[name, "rest"]) for name in ("a.srt", "b.srt", "c.srt")]
        for job in jobs:
            job.complete(0, {"text": job.state().file_name})
    spoil(path, "started_at = 'soon'", "b.srt")
    return path, jobs[1].job_id


def spoil(path: Path, change: str, file_name: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE jobs SET {change} WHERE file_name = ?", (file_name,))


@pytest.mark.parametrize("verb", ["jobs", "summaries", "incomplete_jobs"])
def test_a_list_shows_the_sound_jobs_and_names_the_other(odd: tuple[Path, str], verb: str) -> None:
    """Every list has the readable jobs in their order, and a warning says what is wrong with which other job."""
    path, spoilt = odd
    with CheckpointStore(path, read_only=True) as store:
        with pytest.warns(
            JobsPassedOver, match=rf"1 job left out.*{spoilt}.*started_at is 'soon'.*recover_store"
        ) as seen:
            found = getattr(store, verb)()
        named = [store.job(one.job_id).summary().file_name for one in found]
    assert named == ["c.srt", "a.srt"]
    assert seen[0].filename == __file__


def test_a_job_that_is_asked_for_by_name_is_not_passed_over(odd: tuple[Path, str]) -> None:
    """An unreadable job is an error that names the value; no other job, and no older one, is returned instead."""
    path, spoilt = odd
    with CheckpointStore(path, read_only=True) as store:
        for wanted in (spoilt, "b.srt"):
            with pytest.raises(StoreDamaged, match="started_at is 'soon'"):
                store.job(wanted)
    spoil(path, "started_at = 'soon'", "c.srt")
    with CheckpointStore(path, read_only=True) as store:
        with pytest.raises(StoreDamaged, match="started_at is 'soon'"):
            store.latest_job()
        with pytest.warns(JobsPassedOver, match="2 jobs left out"):
            assert len(store.jobs()) == 1


def test_the_check_goes_on_behind_the_row(odd: tuple[Path, str]) -> None:
    """The check names each row that cannot be read, and what is wrong with the other jobs."""
    path, spoilt = odd
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE chunk_results SET result = '1' WHERE result LIKE '%a.srt%'")
    with CheckpointStore(path, read_only=True) as store, warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [(problem.what, problem.job_id == spoilt) for problem in store.check()]
    assert found == [("row in jobs", True), ("result", False)]
