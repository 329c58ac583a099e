"""Statements, built from the tables and compiled once to text for SQLite: they cannot drift from the schema."""

from __future__ import annotations

from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Table, bindparam, case, exists, func, literal_column, null, select
from sqlalchemy.dialects import sqlite

from checkpoint_store.storage.tables import attempts, chunk_redos, chunk_results, completed_chunks, jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Insert, Select, Update
    from sqlalchemy.sql.expression import ClauseElement

NOTE_COMPLETED: Final = "note_completed"
note_completed: Final = getattr(func, NOTE_COMPLETED)
"""The connection's own function, which notes a job as completed and returns that status: see ``completed_jobs.py``."""
_C: Final = completed_chunks.c
_R: Final = chunk_results.c


class Statement:
    """A statement's SQL text, and the order of its values. Compiled when it is first used.

    ``order``: the order in which callers pass plain tuples; None: no caller does.
    """

    __slots__ = ("_build", "_fixed", "_get", "_order", "names", "text")

    text: str
    names: tuple[str, ...]

    def __init__(self, build: Callable[[], ClauseElement], *, order: tuple[str, ...] | None = None) -> None:
        self._build = build
        self._order = order

    def __getattr__(self, name: str) -> Any:
        """Compile the statement when a slot without a value is asked for."""
        made = self._build().compile(dialect=sqlite.dialect(paramstyle="qmark"))
        self.names = tuple(made.positiontup)  # type: ignore[attr-defined]
        assert self._order in (None, self.names), self.names
        self._get = itemgetter(*self.names) if len(self.names) > 1 else None
        binds = {name: made.binds[name] for name in self.names}  # type: ignore[attr-defined]
        self._fixed = {name: bind.value for name, bind in binds.items() if not bind.required}
        self.text = str(made)
        return object.__getattribute__(self, name)

    def values(self, **named: Any) -> tuple[Any, ...]:
        """Return the values in the order of the text, with the values that the statement itself fixes."""
        if self._fixed:
            named |= self._fixed
        if self._get is None:
            return tuple(named[name] for name in self.names)
        values: tuple[Any, ...] = self._get(named)
        return values

    def run(self, connection: sqlite3.Connection, **named: Any) -> sqlite3.Cursor:
        """Execute the statement with these values."""
        return connection.execute(self.text, self.values(**named))

    def run_many(self, connection: sqlite3.Connection, rows: Iterable[Mapping[str, Any]]) -> sqlite3.Cursor:
        """Execute the statement once with each row of values."""
        return connection.executemany(self.text, (self.values(**row) for row in rows))


def named_rows(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return all rows of a statement, each by the names of its columns."""
    names = names_of(cursor)
    return [dict(zip(names, row, strict=True)) for row in cursor]


def names_of(cursor: sqlite3.Cursor) -> list[str]:
    """Return the names of the columns of a statement, in small letters, as the tables have them.

    SQLite gives a name as the schema in the file spells it, and finds a column in any case. One damaged bit turns a
    small letter into a capital.
    """
    return [column[0].lower() for column in cursor.description]


@cache
def insert_into(table: Table, columns: tuple[str, ...] = ()) -> Statement:
    """Return the statement that adds a row with these columns (by default all). Its values have their names."""
    names = columns or tuple(column.name for column in table.columns)
    return Statement(lambda: table.insert().values({name: bindparam(name) for name in names}).inline())


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
ADD_RESULT: Final = Statement(lambda: _add_result(bindparam), order=("job_id", "chunk_index", "result", "digest"))
COMPLETE: Final = Statement(
    lambda: _complete(bindparam, bindparam("result_id")).on_conflict_do_nothing(
        index_elements=["job_id", "chunk_index"]
    ),
    order=("job_id", "chunk_index", "completed_at", "fingerprint", "digest", "result_id"),
)
COUNT: Final = Statement(lambda: _count(bindparam("in_job"), *_MORE))
COUNT_LAST: Final = Statement(lambda: _count_last(bindparam("in_job"), *_MORE, _COMPLETED))

# The fast insert: one row for a view of the connection's own is one completion, and the statement is a transaction.
# Each statement releases the GIL and has a cost of its own. If a chunk is complete already, the whole insert fails.
COMPLETION: Final = ("job_id", "chunk_index", "completed_at", "result", "digest", "fingerprint", "attempt", "seconds")
"""The values of a completion, in the order in which they are given."""
_AND_CLAIM: Final = (*COMPLETION, "next_index", "runner_id")


VIEWS: Final = ("completion", "completion_and_claim")
"""The temporary views of the connection that writes: see :func:`fast_insert_views`."""


@cache
def fast_insert(rows: int) -> str:
    """Return the statement that writes this many completions: all of them, or none."""
    return _insert_into(VIEWS[0], len(COMPLETION), rows)


def _insert_into(view: str, width: int, rows: int) -> str:
    placeholders = f"({', '.join('?' * width)})"
    return f"INSERT INTO {view} VALUES {', '.join([placeholders] * rows)}"  # noqa: S608 - our own words


FAST_INSERT_AND_CLAIM: Final = _insert_into(VIEWS[1], len(_AND_CLAIM), rows=1)
"""The statement that writes a completion, and claims the next chunk for a runner if nobody has tried that chunk."""


@cache
def fast_insert_views() -> tuple[str, ...]:
    """Return the statements that make the views for :func:`fast_insert` and :data:`FAST_INSERT_AND_CLAIM`."""
    job_id, chunk_index, at, attempt, seconds = map(
        _new, ("job_id", "chunk_index", "completed_at", "attempt", "seconds")
    )
    steps = [
        _add_result(_new),
        _complete(_new, func.last_insert_rowid()),
        _count(job_id, literal_column("1"), at),
        _count_last(job_id, literal_column("1"), at, note_completed(job_id)).where(
            func.changes() == literal_column("0")
        ),
        end_attempt(job_id, chunk_index, attempt, at, seconds),
    ]
    claim = _claim_untried(job_id, _new("next_index"), _new("runner_id"), at)
    return (
        *_view_with_trigger(VIEWS[0], COMPLETION, steps),
        *_view_with_trigger(VIEWS[1], _AND_CLAIM, [*steps, claim]),
    )


def _view_with_trigger(name: str, columns: Iterable[str], steps: Iterable[ClauseElement]) -> tuple[str, str]:
    """Return the statements that make a temporary view. Each row that is inserted into the view runs these steps."""
    body = "".join(f"{step.compile(dialect=sqlite.dialect())}; " for step in steps)
    nulls = ", ".join(f"NULL AS {column}" for column in columns)
    return (
        f"CREATE TEMP VIEW IF NOT EXISTS {name} AS SELECT {nulls}",
        f"CREATE TEMP TRIGGER IF NOT EXISTS insert_{name} INSTEAD OF INSERT ON {name} BEGIN {body}END",
    )


def _new(name: str) -> Any:
    return literal_column(f"NEW.{name}")


RESULT_TEXT: Final = Statement(lambda: select(_R.result).where(_R.result_id == bindparam("id")))
REMOVE_RESULT: Final = Statement(lambda: chunk_results.delete().where(_R.result_id == bindparam("id")))
PRESENT: Final = Statement(
    lambda: select(_C.digest, _C.result_id, _C.completed_at, _C.source_job_id).where(*at_chunk(_C))
)
SET_SOURCE: Final = Statement(
    lambda: (
        completed_chunks.update()
        .where(*at_chunk(_C))
        .values(
            source_job_id=bindparam("source"),
            source_chunk_index=bindparam("source_index"),
            source_differs_in=bindparam("differs_in"),
        )
    )
)
SET_RESULT: Final = Statement(
    lambda: (
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
)
_MARKED: Final = select(chunk_redos.c.chunk_index).where(*of_same_chunk(chunk_redos.c, _C)).exists()
IS_COMPLETED: Final = Statement(lambda: select(_C.chunk_index).where(*at_chunk(_C), ~_MARKED))
WITH_RESULT: Final = Statement(lambda: _indices().where(_C.digest.is_not(None)), order=("in_job",))
WITHOUT_RESULT: Final = Statement(lambda: _indices().where(_C.digest.is_(None)), order=("in_job",))
RESULT_PAGE: Final = Statement(
    lambda: (
        select(_C.chunk_index, _R.result, _C.digest, _R.digest)
        .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
        .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after"), _C.digest.is_not(None))
        .order_by(_C.chunk_index)
        .limit(bindparam("rows"))
    )
)
