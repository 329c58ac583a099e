"""Statements about runners, and about requests to pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.clock import now
from checkpoint_store.storage.records.records import Runner
from checkpoint_store.storage.sql import bindparam, func, literal_column, null, pauses, runners, select
from checkpoint_store.storage.statements import rows
from checkpoint_store.storage.statements.compiled import insert_into
from checkpoint_store.storage.statements.statement import Statement, named_rows, path_of, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Select

_W: Final = runners.c
_ADDED: Final = ("job_id", "lock_file", "host", "pid", "exclusive", "started_at")

MAKE_EXCLUSIVE: Final = Statement(runners.update().where(_W.runner_id == bindparam("its_id")).values(exclusive=1))
END: Final = Statement(runners.update().where(_W.runner_id == bindparam("its_id")).values(ended_at=bindparam("at")))
_LOCK_FILE: Final = Statement(select(_W.lock_file).where(_W.runner_id == bindparam("its_id"), _W.ended_at.is_(null())))
OF_JOB: Final = Statement(
    select(_W.runner_id).where(_W.runner_id == bindparam("its_id"), _W.job_id == bindparam("in_job"))
)
CLEAR_PAUSES: Final = Statement(
    pauses.update()
    .where(pauses.c.job_id == bindparam("in_job"), pauses.c.cleared_at.is_(null()))
    .values(cleared_at=bindparam("at"))
)
ASK_TO_PAUSE: Final = insert_into("pauses", ("job_id", "asked_at"))
LAST_PAUSE: Final = Statement(
    select(func.coalesce(func.max(pauses.c.pause_id), 0)).where(
        pauses.c.job_id == bindparam("in_job"), pauses.c.cleared_at.is_(null())
    ),
    order=("in_job",),
)
"""Finds the number of the last standing request to pause, or 0."""


@statement_for_arguments
def _at_work(*, of_one_job: bool) -> Select[Any]:
    columns = [_W[name] for name in Runner._fields]
    # With the plus SQLite sorts the few rows of an index, and does not read the runners that have ended.
    at_work = select(*columns).where(_W.ended_at.is_(null())).order_by(literal_column("+runners.runner_id"))
    return at_work.where(_W.job_id == bindparam("in_job")) if of_one_job else at_work


def runners_at_work(connection: sqlite3.Connection, job_id: str | None = None) -> list[Runner]:
    """Return the runners (of a job) that have not ended, as far as the store knows: some may have died."""
    of_job = {} if job_id is None else {"in_job": job_id}
    stored = named_rows(_at_work(of_one_job=job_id is not None).run(connection, **of_job))
    if not stored:
        return []
    path = path_of(connection)
    return [Runner(**rows.read_row("runners", rows.RUNNER, row, path)) for row in stored]


def add_runner(
    connection: sqlite3.Connection, job_id: str, lock_file: str, host: str, pid: int, *, exclusive: bool
) -> int:
    """Record a runner, which holds its lock file already, and return its id."""
    values = {"job_id": job_id, "lock_file": lock_file, "host": host, "pid": pid, "exclusive": int(exclusive)}
    runner_id = insert_into("runners", _ADDED).run(connection, **values, started_at=now()).lastrowid
    assert runner_id is not None
    return runner_id


def lock_file_of(connection: sqlite3.Connection, runner_id: int) -> str | None:
    """Return the lock file of a runner that has not ended, as far as the store knows."""
    (lock_file,) = _LOCK_FILE.run(connection, its_id=runner_id).fetchone() or (None,)
    return lock_file
