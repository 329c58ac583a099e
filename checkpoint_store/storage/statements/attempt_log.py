"""Statements that read what was tried."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, func, literal_column, or_, select

from checkpoint_store.model.records import ChunkRecord
from checkpoint_store.storage.runner_lock import overheard, sign_at
from checkpoint_store.storage.statements.attempts import _A
from checkpoint_store.storage.statements.runners import runners_at_work
from checkpoint_store.storage.tables import attempts, completed_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store.storage.runner_lock import LastWords

_TROUBLE: Final = _A.outcome.in_([literal_column("'failed'"), literal_column("'abandoned'")])


def retry_failed(connection: Connection, job_id: str, indices: Sequence[int] | None = None) -> int:
    """Give failed chunks (of these indices) their attempts back, and return how many chunks those are."""
    failed = select(_A.chunk_index).where(_A.job_id == job_id, _TROUBLE, _A.is_last == 1, ~_is_complete())
    found = list(connection.execute(failed).scalars())
    if indices is not None:
        found = sorted(set(found) & set(indices))
    freed = attempts.update().where(_A.job_id == job_id, _A.chunk_index == bindparam("at_index"))
    if found:
        connection.execute(freed.values(counted=0, is_last=0), [{"at_index": index} for index in found])
    return len(found)


def _is_complete() -> Any:
    done = completed_chunks.c
    return select(done.chunk_index).where(done.job_id == _A.job_id, done.chunk_index == _A.chunk_index).exists()


def latest(connection: Connection, job_id: str, path: Path, *, outcomes: Sequence[str]) -> list[ChunkRecord]:
    """Return the last attempt at each chunk that is not complete, where it has one of these outcomes, by index.

    What a runner that is gone had in hand is ``abandoned``, also where nobody has recorded that yet.
    """
    later = attempts.alias()
    same = and_(later.c.job_id == _A.job_id, later.c.chunk_index == _A.chunk_index, later.c.number > _A.number)
    columns = [_A.chunk_index, _A.number, _A.outcome, _A.error, _A.started_at, _A.finished_at, _A.seconds]
    looked_for = {*outcomes, "running"} if "abandoned" in outcomes else set(outcomes)
    # Each outcome by the index that is made for it.
    wanted = or_(*(_A.outcome == literal_column(f"'{outcome}'") for outcome in sorted(looked_for)))
    statement = (
        select(*columns, _A.is_last, _A.runner_id)
        .where(_A.job_id == job_id, wanted, ~select(later.c.number).where(same).exists(), ~_is_complete())
        .order_by(_A.chunk_index)
    )
    rows = connection.execute(statement).all()
    gone = _gone(connection, job_id, path) if "running" in looked_for and rows else {}
    records = []
    for row in rows:
        record, runner_id = ChunkRecord(*row[:7], is_last=bool(row[7])), row[8]
        if record.outcome == "running" and runner_id in gone:
            begun = gone[runner_id].begun
            if begun is not None and (record.chunk_index, record.attempt) not in begun:
                continue  # claimed, and nothing else
            record = replace(record, outcome="abandoned")
        records.append(record)
    return [record for record in records if record.outcome in outcomes]


def _gone(connection: Connection, job_id: str, path: Path) -> dict[int, LastWords]:
    """Return the runners of a job that died, and were not missed yet."""
    found = {}
    for runner in runners_at_work(connection, job_id):
        words = overheard(sign_at(path, runner.lock_file))
        if words is not None:
            found[runner.runner_id] = words
    return found


def counts(connection: Connection, job_id: str, path: Path) -> tuple[int, int]:
    """Return how many chunks are failed, and how many are in doubt."""
    records = latest(connection, job_id, path, outcomes=("failed", "abandoned"))
    failed = sum(record.is_last for record in records)
    return failed, sum(record.outcome == "abandoned" for record in records)


def seconds_of(connection: Connection, job_id: str) -> tuple[int, float]:
    """Return how many attempts were completed, and how long they took together."""
    statement = select(func.count(_A.seconds), func.total(_A.seconds)).where(
        _A.job_id == job_id, _A.outcome == "completed"
    )
    row = connection.execute(statement).one()
    return row[0], row[1]
