"""The statements that record a completion, and conditions that other statements share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.sql import (
    attempts,
    bindparam,
    case,
    chunk_redos,
    chunk_results,
    completed_chunks,
    exists,
    func,
    jobs,
    literal_column,
    null,
    or_,
    select,
    sqlite,
)
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.statements.statement import Statement, select_text, statement_for_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Insert, Select, Update

NOTE_COMPLETED: Final = "note_completed"
"""The connection's own function, which notes a job as completed: see ``WriterConnection.noted_jobs``."""
_C: Final = completed_chunks.c
_R: Final = chunk_results.c


@statement_for_arguments
def insert_into(table: str, columns: tuple[str, ...] = (), *, unless_there: bool = False) -> str:
    """Return the statement that adds a row with these columns (by default all). Its values have their names."""
    names = columns or COLUMNS[table]
    values = ", ".join(f":{name}" for name in names)
    insert = "INSERT OR IGNORE" if unless_there else "INSERT"
    return f"{insert} INTO {table} ({', '.join(names)}) VALUES ({values})"


@statement_for_arguments
def rows_of_job(table: str, columns: tuple[str, ...] = ()) -> str:
    """Return the statement that reads these columns (by default all) of the rows about the job ``in_job``."""
    return f"{select_text(table, columns or COLUMNS[table])} WHERE job_id = :in_job"


def at_chunk(columns: Any) -> tuple[Any, Any]:
    """Return the conditions that a row is about the chunk ``at_index`` of the job ``in_job``."""
    return columns.job_id == bindparam("in_job"), columns.chunk_index == bindparam("at_index")


def of_same_chunk(columns: Any, others: Any) -> tuple[Any, Any]:
    """Return the conditions that two rows are about one chunk."""
    return columns.job_id == others.job_id, columns.chunk_index == others.chunk_index


def _indices() -> Select[Any]:
    return select(_C.chunk_index).where(_C.job_id == bindparam("in_job")).order_by(_C.chunk_index)


def _add_result(given: Callable[[str], Any]) -> Insert:
    names = ("job_id", "chunk_index", "result", "digest")
    return chunk_results.insert().values({name: given(name) for name in names}).inline()


def _complete(given: Callable[[str], Any], result_id: Any) -> sqlite.Insert:
    names = ("job_id", "chunk_index", "completed_at", "fingerprint", "digest")
    values = {name: given(name) for name in names} | {"result_id": result_id}
    return sqlite.insert(completed_chunks).values(values).inline()


def not_back(at: Any) -> Any:
    """Return the new ``updated_at`` of a job. It never decreases, even if the clock was set back."""
    return func.max(jobs.c.updated_at, at)


def _count(job_id: Any, more: Any, at: Any) -> Update:
    """Return the update of a job for any chunk but its last: a statement for both cases would be slower."""
    there_by = jobs.c.completed_count + more
    return (
        jobs.update()
        .where(jobs.c.job_id == job_id, there_by < jobs.c.total_chunks)
        .values(completed_count=there_by, updated_at=not_back(at))
    )


def note_completed(job_id: Any) -> Any:
    """Return the status of a completed job, and let the connection note the job."""
    return func.coalesce(getattr(func, NOTE_COMPLETED)(job_id), _COMPLETED)


def _count_last(job_id: Any, more: Any, at: Any, completed: Any) -> Update:
    """Return the update after :func:`_count` changed nothing: the job is completed, unless it has redo marks."""
    values = {"completed_count": jobs.c.completed_count + more, "updated_at": not_back(at)}
    left = select(chunk_redos.c.chunk_index).where(chunk_redos.c.job_id == jobs.c.job_id).exists()
    ended: dict[str, Any] = {
        "status": case((left, jobs.c.status), else_=completed),
        "error_message": case((left, jobs.c.error_message), else_=null()),
    }
    return jobs.update().where(jobs.c.job_id == job_id).values(**values, **ended)


def end_attempt(job_id: Any, chunk_index: Any, attempt: Any, at: Any, seconds: Any) -> Update:
    """Return the update that ends an attempt in the transaction that completes its chunk."""
    return (
        attempts.update()
        .where(attempts.c.job_id == job_id, attempts.c.chunk_index == chunk_index, attempts.c.number == attempt)
        .values(outcome=_COMPLETED, finished_at=at, seconds=seconds)
    )


def begun(job_id: Any, chunk_index: Any, number: Any, runner_id: Any, at: Any) -> dict[str, Any]:
    """Return the values of an attempt that begins."""
    return {
        "job_id": job_id,
        "chunk_index": chunk_index,
        "number": number,
        "runner_id": runner_id,
        "started_at": at,
        "outcome": literal_column("'running'"),
        "counted": literal_column("1"),
        "is_last": literal_column("0"),
    }


def _claim_untried(job_id: Any, chunk_index: Any, runner_id: Any, at: Any) -> Insert:
    """Return the insert that claims a chunk for a runner, unless the chunk is complete or was tried."""
    values = begun(job_id, chunk_index, literal_column("1"), runner_id, at)
    has_rows = [exists().where(table.c.job_id == job_id, table.c.chunk_index == chunk_index) for table in _OF_CHUNK]
    return attempts.insert().from_select(
        list(values), select(*values.values()).where(*(~has_row for has_row in has_rows))
    )


_OF_CHUNK: Final = completed_chunks, attempts
_COMPLETED: Final[Any] = literal_column("'completed'")
_MORE: Final[tuple[Any, Any]] = bindparam("more"), bindparam("at")

# The single steps, for a transaction in which a chunk may be complete already: the row of such a chunk stays, and the
# number of changed rows says so.
ADD_RESULT: Final = Statement(_add_result(bindparam), order=("job_id", "chunk_index", "result", "digest"))
COMPLETE: Final = Statement(
    _complete(bindparam, bindparam("result_id")).on_conflict_do_nothing(index_elements=["job_id", "chunk_index"]),
    order=("job_id", "chunk_index", "completed_at", "fingerprint", "digest", "result_id"),
)
COUNT: Final = Statement(_count(bindparam("in_job"), *_MORE))
COUNT_LAST: Final = Statement(_count_last(bindparam("in_job"), *_MORE, _COMPLETED))

# The fast insert: one row for a view of the connection's own is one completion, and the statement is a transaction.
# Each statement releases the GIL and has a cost of its own. If a chunk is complete already, the whole insert fails.
_MORE_OF_JOB: Final = ("more", "latest_at")
"""How many more chunks the job has completed, null to leave its row; and when, null for the time of this row."""
COMPLETION: Final = ("job_id", "chunk_index", "completed_at", "result", "digest", "fingerprint", "attempt", "seconds")
"""The values of a completion, in the order in which they are given."""
_AND_CLAIM: Final = (*COMPLETION, "next_index", "runner_id")
_PREVIOUS: Final = "previous_digest"
"""The value before those of a completion in a sequential job: see ``Completion.previous_digest``."""


@cache
def fast_insert(rows: int, *, together: bool = False) -> str:
    """Return the statement that writes completions, all or none. ``together``: all of one job, the latest first."""
    firsts = [f"{rows}, ?", *["NULL, NULL"] * (rows - 1)] if together else ["1, NULL"] * rows
    return _insert_into("completion", [first + ", ?" * len(COMPLETION) for first in firsts])


def _insert_into(view: str, rows: list[str]) -> str:
    return f"INSERT INTO {view} VALUES ({'), ('.join(rows)})"  # noqa: S608 - our own words


FAST_INSERT_AND_CLAIM: Final = _insert_into("completion_and_claim", ["1, NULL" + ", ?" * len(_AND_CLAIM)])
"""The statement that writes a completion, and claims the next chunk for a runner if nobody has tried that chunk."""
FAST_INSERT_IN_ORDER: Final = _insert_into("completion_in_order", ["1, NULL, ?" + ", ?" * len(COMPLETION)])
"""The statement that writes a completion of a sequential job; it fails where ``order.require_order`` would refuse."""
FAST_INSERT_IN_ORDER_AND_CLAIM: Final = _insert_into(
    "completion_in_order_and_claim", ["1, NULL, ?" + ", ?" * len(_AND_CLAIM)]
)


@cache
def fast_insert_views() -> tuple[str, ...]:
    """Return the statements that make the views for :func:`fast_insert` and the other fast inserts."""
    return (
        *_view_with_trigger("completion", COMPLETION, _STEPS),
        *_view_with_trigger("completion_and_claim", _AND_CLAIM, (*_STEPS, _CLAIM_NEXT)),
        *_view_with_trigger("completion_in_order", (_PREVIOUS, *COMPLETION), (_REQUIRE_ORDER, *_STEPS)),
        *_view_with_trigger(
            "completion_in_order_and_claim", (_PREVIOUS, *_AND_CLAIM), (_REQUIRE_ORDER, *_STEPS, _CLAIM_NEXT)
        ),
    )


def _view_with_trigger(name: str, columns: Iterable[str], steps: Iterable[Statement]) -> tuple[str, str]:
    """Return the statements that make a temporary view. Each row that is inserted into the view runs these steps."""
    body = "".join(f"{step.text}; " for step in steps)
    nulls = ", ".join(f"NULL AS {column}" for column in (*_MORE_OF_JOB, *columns))
    return (
        f"CREATE TEMP VIEW IF NOT EXISTS {name} AS SELECT {nulls}",
        f"CREATE TEMP TRIGGER IF NOT EXISTS insert_{name} INSTEAD OF INSERT ON {name} BEGIN {body}END",
    )


def _new(name: str) -> Any:
    return literal_column(f"NEW.{name}")


_ADD_NEW: Final = Statement(_add_result(_new))
_COMPLETE_NEW: Final = Statement(_complete(_new, func.last_insert_rowid()))
_COUNT_OF_NEW: Final = (_new("job_id"), _new("more"), func.coalesce(_new("latest_at"), _new("completed_at")))
_IS_COUNTED: Final = _new("more").is_not(null())
_COUNT_NEW: Final = Statement(_count(*_COUNT_OF_NEW).where(_IS_COUNTED))
_COUNT_LAST_NEW: Final = Statement(
    _count_last(*_COUNT_OF_NEW, note_completed(_new("job_id"))).where(
        _IS_COUNTED, func.changes() == literal_column("0")
    )
)
_END_ATTEMPT_OF_NEW: Final = Statement(
    end_attempt(*map(_new, ("job_id", "chunk_index", "attempt", "completed_at", "seconds")))
)
_CLAIM_NEXT: Final = Statement(_claim_untried(*map(_new, ("job_id", "next_index", "runner_id", "completed_at"))))
_STEPS: Final = (_ADD_NEW, _COMPLETE_NEW, _COUNT_NEW, _COUNT_LAST_NEW, _END_ATTEMPT_OF_NEW)
"""The steps of a completion, in their order, for the trigger of a view."""


def _refuse_out_of_order() -> Select[Any]:
    """Return the first step of a completion in a sequential job: it fails where ``order.require_order`` refuses."""
    at_redo = exists().where(chunk_redos.c.job_id == _new("job_id"), chunk_redos.c.chunk_index < _new("chunk_index"))
    digest = func.coalesce(_C.digest, literal_column("''"))
    as_given = digest == func.coalesce(_new(_PREVIOUS), digest)
    before = exists().where(
        _C.job_id == _new("job_id"), _C.chunk_index == _new("chunk_index") - literal_column("1"), as_given
    )
    is_first = _new("chunk_index") == literal_column("0")
    return select(literal_column("RAISE(ABORT, 'out of order')")).where(or_(at_redo, ~or_(is_first, before)))


_REQUIRE_ORDER: Final = Statement(_refuse_out_of_order())

RESULT_TEXT: Final = Statement(select(_R.result).where(_R.result_id == bindparam("id")))
REMOVE_RESULT: Final = Statement(chunk_results.delete().where(_R.result_id == bindparam("id")))
PRESENT: Final = Statement(select(_C.digest, _C.result_id, _C.completed_at, _C.source_job_id).where(*at_chunk(_C)))
SET_SOURCE: Final = Statement(
    completed_chunks.update()
    .where(*at_chunk(_C))
    .values(
        source_job_id=bindparam("source"),
        source_chunk_index=bindparam("source_index"),
        source_differs_in=bindparam("differs_in"),
    )
)
SET_RESULT: Final = Statement(
    completed_chunks.update()
    .where(*at_chunk(_C))
    .values(
        completed_at=bindparam("at"),
        fingerprint=func.coalesce(bindparam("new_fingerprint"), _C.fingerprint),
        digest=bindparam("new_digest"),
        result_id=bindparam("new_id"),
        # The job that replaces a result pays for the new one.
        source_job_id=None,
        source_chunk_index=None,
        source_differs_in=None,
        redo_asked_at=func.coalesce(bindparam("asked_at"), _C.redo_asked_at),
    )
)
_MARKED: Final = select(chunk_redos.c.chunk_index).where(*of_same_chunk(chunk_redos.c, _C)).exists()
IS_COMPLETED: Final = Statement(select(_C.chunk_index).where(*at_chunk(_C), ~_MARKED), order=("in_job", "at_index"))
"""Finds a completed chunk that is not to be done again."""
WITH_RESULT: Final = Statement(_indices().where(_C.digest.is_not(None)), order=("in_job",))
WITHOUT_RESULT: Final = Statement(_indices().where(_C.digest.is_(None)), order=("in_job",))
RESULT_PAGE: Final = Statement(
    select(_C.chunk_index, _R.result, _C.digest, _R.digest)
    .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
    .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after"), _C.digest.is_not(None))
    .order_by(_C.chunk_index)
    .limit(bindparam("rows"))
)
