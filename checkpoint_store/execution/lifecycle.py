"""How a loop's part in a job begins and ends: the job's status, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.clock import now
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import runners as runner_statements

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.storage.connection.read_only import AnyDatabase


def resume(database: AnyDatabase, job_id: str) -> None:
    """Set a job ``running``, unless it is complete; withdraw the pauses that were asked for. Durable on return."""

    def work(connection: sqlite3.Connection) -> None:
        runner_statements.clear_pauses(connection, job_id)
        if not job_statements.finish_if_done(connection, job_id):
            values = {"status": JobStatus.RUNNING.value, "error_message": None, "updated_at": now()}
            job_statements.update_job(connection, job_id, database.path, **values)

    database.write(work)


def leave(database: AnyDatabase, claims: Claims, status: JobStatus, message: str | None) -> None:
    """Give a job this status, unless it is complete or another runner is at work on it. Durable on return."""

    def work(connection: sqlite3.Connection) -> None:
        if claims.others_at_work(connection):
            return
        if not job_statements.finish_if_done(connection, claims.job_id):
            values = {"status": status.value, "error_message": message, "updated_at": now()}
            job_statements.update_job(connection, claims.job_id, database.path, **values)

    database.write(work)
