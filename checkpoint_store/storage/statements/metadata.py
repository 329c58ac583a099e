"""Statements about the metadata of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.model.clock import now
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.state_fields import metadata_text
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import stretch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path


def set_metadata(connection: sqlite3.Connection, job_id: str, path: Path, metadata: Mapping[str, Any]) -> None:
    """Replace the metadata of a job. The work on a chunk may do so while the job runs."""
    is_running = job_statements.find_job(connection, job_id, path).status is JobStatus.RUNNING
    times = {"updated_at": now()} if is_running else stretch.changes_now(connection, job_id, path)
    job_statements.update_job(connection, job_id, path, metadata=metadata_text(metadata), **times)
