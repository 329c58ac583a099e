"""Statements about redo marks. A complete chunk with a mark is to be done again, and keeps its result until then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.storage.sql import (
    attempts,
    bindparam,
    chunk_handles,
    chunk_redos,
    completed_chunks,
    func,
    literal_column,
    null,
    select,
)
from checkpoint_store.storage.statements.compiled import at_chunk, of_same_chunk
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from sqlalchemy import Exists

    from checkpoint_store.storage.records.open_requests import Source

_A: Final = attempts.c
_M: Final = chunk_redos.c
_C: Final = completed_chunks.c
_IN_JOB: Final = _M.job_id == bindparam("in_job")
_HERE: Final[Any] = at_chunk(_M)


class Mark(NamedTuple):
    """The request to do a complete chunk again."""

    chunk_index: int
    after_attempt: int
    """The number of the last attempt at the chunk when the redo was asked for, 1-based; 0 for no attempt."""
    asked_at: str
    """When the redo was asked for. The time also identifies the redo in other jobs and stores."""


def count_of(job_id: Any) -> Any:
    """Return the SQL expression for the number of chunks of a job that are to be done again."""
    return select(func.count()).select_from(chunk_redos).where(_M.job_id == job_id).scalar_subquery()


def is_any_left(job_id: Any) -> Exists:
    """Return the SQL condition that any chunk of a job is to be done again."""
    return select(_M.chunk_index).where(_M.job_id == job_id).exists()


def is_marked(chunk: Any, *, before: Any = None) -> Exists:
    """Return the SQL condition that the chunk of a row (its columns) is to be done again.

    ``before``: the number of an attempt. Only a mark that was set before that attempt began counts. None: any mark.
    """
    newer = () if before is None else (_M.after_attempt < before,)
    return select(_M.chunk_index).where(*of_same_chunk(_M, chunk), *newer).exists()


_IS_COMPLETE: Final = select(_C.chunk_index).where(*of_same_chunk(_C, _M)).exists()
COMPLETED_BETWEEN: Final = (
    select(func.count())
    .select_from(chunk_redos)
    .where(_IN_JOB, _M.chunk_index >= bindparam("start"), _M.chunk_index < bindparam("stop"), _IS_COMPLETE)
    .scalar_subquery()
)
"""The SQL expression for the number of complete chunks in ``[start, stop)`` that are to be done again."""

FIND: Final = Statement(select(_M.after_attempt, _M.asked_at).where(*_HERE), order=("in_job", "at_index"))
"""Finds the mark of a chunk."""
_MARKS: Final = Statement(select(_M.chunk_index, _M.after_attempt, _M.asked_at).where(_IN_JOB), order=("in_job",))
ANY: Final = Statement(select(literal_column("1")).select_from(chunk_redos).limit(literal_column("1")))
FIRST: Final = Statement(select(func.min(_M.chunk_index)).where(_IN_JOB), order=("in_job",))
"""Finds the lowest chunk of a job that is to be done again."""
UNMARK: Final = Statement(chunk_redos.delete().where(*_HERE))


def _last_attempt() -> Any:
    return select(func.coalesce(func.max(_A.number), literal_column("0")))


def _mark() -> Any:
    last = _last_attempt().where(*at_chunk(_A)).scalar_subquery()
    here: dict[str, Any] = {"job_id": bindparam("in_job"), "chunk_index": bindparam("at_index")}
    return chunk_redos.insert().values(**here, asked_at=bindparam("at"), after_attempt=last).inline()


_MARK: Final = Statement(_mark())
FORGET_HANDLE: Final = Statement(chunk_handles.delete().where(*at_chunk(chunk_handles.c)))
NO_LONGER_COUNTED: Final = Statement(attempts.update().where(*at_chunk(_A)).values(counted=0, is_last=0))
NOTE_ANSWER: Final = Statement(completed_chunks.update().where(*at_chunk(_C)).values(redo_asked_at=bindparam("at")))
_ANSWERED: Final = Statement(
    select(_C.chunk_index).where(_C.job_id == bindparam("in_job"), _C.redo_asked_at.is_not(null()))
)
_DROP_MARKS_OF_INCOMPLETE: Final = Statement(chunk_redos.delete().where(_IN_JOB, ~_IS_COMPLETE))
_LAST_ATTEMPT_OF_MARKED: Final = _last_attempt().where(*of_same_chunk(_A, _M)).scalar_subquery()
"""The SQL expression for the number of the last attempt at the chunk of a row of ``chunk_redos``; 0 for no attempt."""
_LOWER_AFTER_ATTEMPT: Final = Statement(
    chunk_redos.update()
    .where(_IN_JOB, _M.after_attempt > _LAST_ATTEMPT_OF_MARKED)
    .values(after_attempt=_LAST_ATTEMPT_OF_MARKED)
)
_FIND_LAST_ATTEMPT: Final = Statement(_last_attempt().where(*at_chunk(_A)))


def mark(connection: sqlite3.Connection, job_id: str, asked_at: Mapping[int, str]) -> None:
    """Mark complete chunks that have no mark: they are to be done again. ``asked_at``: when, by chunk index.

    The attempts that were made so far no longer count, and the handles of these chunks are removed.
    """
    here = [{"in_job": job_id, "at_index": index} for index in asked_at]
    NO_LONGER_COUNTED.run_many(connection, here)
    FORGET_HANDLE.run_many(connection, here)
    _MARK.run_many(connection, (chunk | {"at": at} for chunk, at in zip(here, asked_at.values(), strict=True)))


def marks(connection: sqlite3.Connection, job_id: str) -> frozenset[Mark]:
    """Return the marks of a job."""
    return frozenset(map(Mark._make, connection.execute(_MARKS.text, (job_id,))))


def indices(connection: sqlite3.Connection, job_id: str) -> list[int]:
    """Return the chunks that are to be done again, ascending."""
    return sorted(mark.chunk_index for mark in marks(connection, job_id))


def of_kept(connection: sqlite3.Connection, reused: Mapping[int, Source]) -> dict[int, str]:
    """Return the times of the marks that chunks take over together with a result, by chunk index."""
    sources = {source.job_id for source in reused.values()}
    marked = {job_id: {mark.chunk_index: mark.asked_at for mark in marks(connection, job_id)} for job_id in sources}
    return {
        index: marked[source.job_id][source.chunk_index]
        for index, source in sorted(reused.items())
        if source.chunk_index in marked[source.job_id]
    }


def asked_at(connection: sqlite3.Connection, job_id: str, index: int, attempt: int | None) -> str | None:
    """Return the time of the redo that a new result of a chunk answers; None if the result answers no redo.

    A result answers a redo only if its attempt (number ``attempt``) began after the request for the redo. A result
    without an attempt (None) answers the redo, too.
    """
    row = FIND.run(connection, in_job=job_id, at_index=index).fetchone()
    if row is None:
        return None
    after_attempt, at = row
    return str(at) if attempt is None or attempt > after_attempt else None


def is_older(connection: sqlite3.Connection, job_id: str, index: int, attempt: int) -> bool:
    """Return whether a chunk is to be done again by a request that came after an attempt at it had begun."""
    row = FIND.run(connection, in_job=job_id, at_index=index).fetchone()
    return row is not None and attempt <= row[0]


def answered(connection: sqlite3.Connection, job_id: str, indices_to_redo: Collection[int]) -> set[int]:
    """Return the chunks among these whose redo was answered: they have the new result, and no mark."""
    if not indices_to_redo:
        return set()
    done = {index for (index,) in _ANSWERED.run(connection, in_job=job_id)}
    return done.intersection(indices_to_redo).difference(indices(connection, job_id))


def correct_copied_marks(connection: sqlite3.Connection, job_id: str) -> None:
    """Make the copied marks of a job agree with the copied chunks and attempts.

    A mark of a chunk that is not complete is removed. A mark that names a later attempt than the copied ones names the
    last of these instead.
    """
    _DROP_MARKS_OF_INCOMPLETE.run(connection, in_job=job_id)
    _LOWER_AFTER_ATTEMPT.run(connection, in_job=job_id)


def last_attempt(connection: sqlite3.Connection, job_id: str, index: int) -> int:
    """Return the number of the last attempt at a chunk, 1-based; 0 for no attempt."""
    (number,) = _FIND_LAST_ATTEMPT.run(connection, in_job=job_id, at_index=index).fetchone()
    return int(number)
