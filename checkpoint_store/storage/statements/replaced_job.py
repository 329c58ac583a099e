"""Whether a state that is saved may take the place of the current job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import CurrentJobChanged
from checkpoint_store.storage.statements import jobs as job_statements

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.records import JobRecord
    from checkpoint_store.storage.saved_state import Looked


def replaced_by(connection: sqlite3.Connection, job_id: str, looked: Looked, path: Path) -> JobRecord | None:
    """Return the job that took the place of the manager's own one; None where the saved job may be the current one.

    Args:
        connection: in the transaction that saves the state.
        job_id: the job of the state.
        looked: what the manager that saves it knows of the current job.
        path: the store file.

    Raises:
        CurrentJobChanged: a job that the manager does not know of has become current, and the saved one is not in the
            store: saving it would replace what another process has just begun.
    """
    if not looked.has_looked:
        return None
    for current in job_statements.list_jobs(connection, path, current=True):
        is_own = looked.own_job_id == job_id
        if current.job_id == job_id or (current.job_id == looked.seen_job_id and not is_own):
            return None
        if is_own and connection.execute("SELECT 1 FROM jobs WHERE job_id = ?", (job_id,)).fetchone():
            return current
        raise CurrentJobChanged(path, job_id, current.job_id, current.file_name, is_recorded=False)
    return None
