"""Find the job whose place the job of a saved state takes: the current job, or an earlier job of the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import CurrentJobChanged
from checkpoint_store.model.frozen import thaw
from checkpoint_store.storage.statements.jobs import jobs as job_statements

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.records.saved_state import Looked


def replaced_by(connection: sqlite3.Connection, job_id: str, looked: Looked, path: Path) -> JobRecord | None:
    """Return the job that took the place of the manager's own job; None if the saved job may become current.

    Raises:
        CurrentJobChanged: a job that the manager does not know has become current, and the saved job is not in the
            store. Saving it would replace a job that another process has just begun.
    """
    if not looked.has_looked:
        return None
    for current in job_statements.list_jobs(connection, path, current=True):
        is_own = looked.own_job_id == job_id
        if current.job_id == job_id or (current.job_id == looked.seen_job_id and not is_own):
            return None
        if is_own and _is_there(connection, job_id):
            return current
        raise CurrentJobChanged(path, job_id, current.job_id, current.file_name, is_recorded=False)
    return None


def passed_over(connection: sqlite3.Connection, state: ProcessingState, path: Path) -> JobRecord | None:
    """Return the job of the same file and settings that a state without results passes over; None if there is none.

    Among the jobs with as many chunks as the state, the job with the most results counts; of equals, the newest. If no
    job has as many chunks, the newest unfinished job counts: a finished job is of another input. None also if the store
    has the job of the state.
    """
    if state.completed_chunks or not state.file_name or _is_there(connection, state.job_id):
        return None
    settings = (state.model, state.provider, thaw(state.config))
    of_file = job_statements.list_jobs(connection, path, file_name=state.file_name, with_results=True)
    alike = [job for job in of_file if (job.model or "", job.provider or "", job.config) == settings]
    same = [job for job in alike if job.total_chunks == state.total_chunks]
    unfinished = [job for job in alike if job.completed_count < job.total_chunks]
    return max(same, key=lambda job: job.completed_count, default=next(iter(unfinished), None))


def _is_there(connection: sqlite3.Connection, job_id: str) -> bool:
    return connection.execute("SELECT 1 FROM jobs WHERE job_id = ?", (job_id,)).fetchone() is not None
