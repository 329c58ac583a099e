"""Statements about runners, and about wishes to pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from checkpoint_store.model.clock import now
from checkpoint_store.storage.records import Runner
from checkpoint_store.storage.tables import pauses, runners

if TYPE_CHECKING:
    from sqlalchemy import Connection


def runners_at_work(connection: Connection, job_id: str | None = None) -> list[Runner]:
    """Return the runners (of a job) that have not ended, as far as the store knows: some may have died."""
    columns = [runners.c[name] for name in Runner._fields]
    statement = select(*columns).where(runners.c.ended_at.is_(None)).order_by(runners.c.runner_id)
    if job_id is not None:
        statement = statement.where(runners.c.job_id == job_id)
    return [Runner(*row) for row in connection.execute(statement)]


def add_runner(connection: Connection, job_id: str, lock_file: str, host: str, pid: int, *, exclusive: bool) -> int:
    """Record a runner, which holds its lock file already, and return its id."""
    values = {"job_id": job_id, "lock_file": lock_file, "host": host, "pid": pid, "exclusive": int(exclusive)}
    added = connection.execute(runners.insert().values(**values, started_at=now()))
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def make_exclusive(connection: Connection, runner_id: int) -> None:
    """Record that a runner has the job for itself."""
    connection.execute(runners.update().where(runners.c.runner_id == runner_id).values(exclusive=1))


def lock_file_of(connection: Connection, runner_id: int) -> str | None:
    """Return the lock file of a runner that has not ended, as far as the store knows."""
    statement = select(runners.c.lock_file).where(runners.c.runner_id == runner_id, runners.c.ended_at.is_(None))
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def ask_to_pause(connection: Connection, job_id: str) -> None:
    """Record the wish that every loop on this job ends."""
    connection.execute(pauses.insert().values(job_id=job_id, asked_at=now()))


def clear_pauses(connection: Connection, job_id: str) -> None:
    """Take the wish back, for the loops that have not noticed it yet."""
    standing = pauses.c.job_id == job_id, pauses.c.cleared_at.is_(None)
    connection.execute(pauses.update().where(*standing).values(cleared_at=now()))


LAST_PAUSE: Final = "SELECT coalesce(max(pause_id), 0) FROM pauses WHERE job_id = ? AND cleared_at IS NULL"
