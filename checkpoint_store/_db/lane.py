"""The hot statements, compiled once from the tables to text for the driver: they cannot drift from the schema."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, literal_column, null, select
from sqlalchemy.dialects import sqlite

from checkpoint_store._db.schema import attempts, chunk_results, completed_chunks, jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.expression import ClauseElement

_C: Final = completed_chunks.c
_R: Final = chunk_results.c


class Statement:
    """SQL text for the driver, and the order of its values. Compiled when it is first used.

    ``order``, where given, says which order the callers rely on that hand over plain tuples.
    """

    __slots__ = ("_build", "_get", "_order", "names", "text")

    text: str
    names: tuple[str, ...]

    def __init__(self, build: Callable[[], ClauseElement], *, order: tuple[str, ...] | None = None) -> None:
        self._build = build
        self._order = order

    def __getattr__(self, name: str) -> Any:
        """Compile: a slot is asked for that has no value yet."""
        made = self._build().compile(dialect=sqlite.dialect(paramstyle="qmark"))
        self.names = tuple(made.positiontup)  # type: ignore[attr-defined]
        assert self._order in (None, self.names), self.names
        self._get = itemgetter(*self.names)
        self.text = str(made)
        return object.__getattribute__(self, name)

    def values(self, **named: Any) -> tuple[Any, ...]:
        """Return the values (two or more) in the order that the text wants."""
        values: tuple[Any, ...] = self._get(named)
        return values


@lru_cache
def several(statement: Statement, rows: int) -> str:
    """Return the text of an insertion of one row as that of so many: in one step, so one release of Python's lock."""
    one = f"({', '.join('?' * len(statement.names))})"
    assert one in statement.text, statement.text
    return statement.text.replace(one, ", ".join([one] * rows))


def _at(table: Any) -> tuple[Any, Any]:
    return table.c.job_id == bindparam("in_job"), table.c.chunk_index == bindparam("at_index")


def _inserted(*names: str) -> dict[str, Any]:
    return {name: bindparam(name) for name in names}


# One transaction: the result is there, the chunk is complete, its job knows. A chunk that is complete already is left
# alone, and the number of rows says so.
ADD_RESULT: Final = Statement(
    lambda: sqlite.insert(chunk_results).values(_inserted("job_id", "chunk_index", "result", "digest")),
    order=("job_id", "chunk_index", "result", "digest"),
)
COMPLETE: Final = Statement(
    lambda: (
        sqlite.insert(completed_chunks)
        .values(_inserted("job_id", "chunk_index", "completed_at", "fingerprint", "digest", "result_id"))
        .on_conflict_do_nothing(index_elements=["job_id", "chunk_index"])
    ),
    order=("job_id", "chunk_index", "completed_at", "fingerprint", "digest", "result_id"),
)
COUNT: Final = Statement(
    lambda: (
        jobs.update()
        .where(jobs.c.job_id == bindparam("in_job"))
        .values(completed_count=jobs.c.completed_count + bindparam("more"), updated_at=bindparam("at"))
    ),
    order=("more", "at", "in_job"),
)
# A statement of its own: as a CASE in the one before it, it would cost each checkpoint three times as much.
END_IF_DONE: Final = Statement(
    lambda: (
        jobs.update()
        .where(
            jobs.c.job_id == bindparam("in_job"),
            jobs.c.completed_count >= jobs.c.total_chunks,
            jobs.c.status != literal_column("'completed'"),
        )
        .values(status=literal_column("'completed'"), error_message=null())
    )
)
# An attempt ends with its chunk, in the same transaction.
END_ATTEMPT: Final = Statement(
    lambda: (
        attempts.update()
        .where(
            attempts.c.job_id == bindparam("in_job"),
            attempts.c.chunk_index == bindparam("at_index"),
            attempts.c.number == bindparam("attempt"),
        )
        .values(outcome=literal_column("'completed'"), finished_at=bindparam("at"), seconds=bindparam("took"))
    ),
    order=("at", "took", "in_job", "at_index", "attempt"),
)
REMOVE_RESULT: Final = Statement(lambda: chunk_results.delete().where(_R.result_id == bindparam("id")))
PRESENT: Final = Statement(lambda: select(_C.digest, _C.result_id).where(*_at(completed_chunks)))
SET_RESULT: Final = Statement(
    lambda: (
        completed_chunks.update()
        .where(*_at(completed_chunks))
        .values(
            completed_at=bindparam("at"),
            fingerprint=func.coalesce(bindparam("new_fingerprint"), _C.fingerprint),
            digest=bindparam("new_digest"),
            result_id=bindparam("new_id"),
        )
    )
)
IS_COMPLETED: Final = Statement(lambda: select(_C.chunk_index).where(*_at(completed_chunks)))
RESULT_PAGE: Final = Statement(
    lambda: (
        select(_C.chunk_index, _R.result, _C.digest, _R.digest)
        .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
        .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after"), _C.digest.is_not(None))
        .order_by(_C.chunk_index)
        .limit(bindparam("rows"))
    )
)
