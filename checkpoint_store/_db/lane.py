"""The hot statements, compiled once from the tables to text for the driver: they cannot drift from the schema."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, bindparam, case, func, literal_column, null, select
from sqlalchemy.dialects import sqlite

from checkpoint_store._db.schema import chunk_results, completed_chunks, jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.expression import ClauseElement

_DIALECT: Final = sqlite.dialect(paramstyle="qmark")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for the driver, and the order of its values."""

    text: str
    names: tuple[str, ...]
    order: Callable[[dict[str, Any]], tuple[Any, ...]]

    def values(self, **named: Any) -> tuple[Any, ...]:
        """Return the values in the order that the text wants."""
        return self.order(named)


def compiled(statement: ClauseElement) -> Statement:
    """Compile an SQLAlchemy statement (of two values or more) for the driver."""
    made = statement.compile(dialect=_DIALECT)
    names = tuple(made.positiontup)  # type: ignore[attr-defined]
    return Statement(str(made), names, itemgetter(*names))


def _at(table: Any) -> tuple[Any, Any]:
    return table.c.job_id == bindparam("in_job"), table.c.chunk_index == bindparam("at_index")


# One transaction: the chunk is complete, its result is there, its job knows. A chunk that is complete already is left
# alone, and the number of rows says so.
_NEXT_RESULT: Final = select(
    func.coalesce(func.max(chunk_results.c.result_id), literal_column("0")) + literal_column("1")
).scalar_subquery()
"""The id that the next row of ``chunk_results`` will get by itself, in the same transaction."""
COMPLETE: Final = compiled(
    sqlite.insert(completed_chunks)
    .values(
        {name: bindparam(name) for name in ("job_id", "chunk_index", "completed_at", "fingerprint", "digest")}
        | {"result_id": case((bindparam("digest", type_=Text()).is_not(None), _NEXT_RESULT))}
    )
    .on_conflict_do_nothing(index_elements=["job_id", "chunk_index"])
)
ADD_RESULT: Final = compiled(
    sqlite.insert(chunk_results).values(
        {name: bindparam(name) for name in ("job_id", "chunk_index", "result", "digest")}
    )
)
# The writer hands these two their values as tuples in this order, without naming them.
assert COMPLETE.names == ("job_id", "chunk_index", "completed_at", "fingerprint", "digest", "digest")
assert ADD_RESULT.names == ("job_id", "chunk_index", "result", "digest")
_COUNT: Final = jobs.c.completed_count + bindparam("more")
COUNT: Final = compiled(
    jobs.update()
    .where(jobs.c.job_id == bindparam("in_job"))
    .values(
        completed_count=_COUNT,
        updated_at=bindparam("at"),
        status=case((jobs.c.total_chunks <= _COUNT, literal_column("'completed'")), else_=jobs.c.status),
        error_message=case((jobs.c.total_chunks <= _COUNT, null()), else_=jobs.c.error_message),
    )
)
DIGEST_OF: Final = compiled(select(completed_chunks.c.digest).where(*_at(completed_chunks)))
SET_DIGEST: Final = compiled(
    completed_chunks.update()
    .where(*_at(completed_chunks))
    .values(
        completed_at=bindparam("at"),
        fingerprint=func.coalesce(bindparam("new_fingerprint"), completed_chunks.c.fingerprint),
        digest=bindparam("new_digest"),
        result_id=_NEXT_RESULT,
    )
)
DROP_RESULT: Final = compiled(
    chunk_results.delete().where(
        chunk_results.c.result_id
        == select(completed_chunks.c.result_id).where(*_at(completed_chunks)).scalar_subquery()
    )
)
IS_COMPLETED: Final = compiled(select(completed_chunks.c.chunk_index).where(*_at(completed_chunks)))
RESULT_PAGE: Final = compiled(
    select(completed_chunks.c.chunk_index, chunk_results.c.result, completed_chunks.c.digest, chunk_results.c.digest)
    .outerjoin_from(completed_chunks, chunk_results, chunk_results.c.result_id == completed_chunks.c.result_id)
    .where(
        completed_chunks.c.job_id == bindparam("in_job"),
        completed_chunks.c.chunk_index > bindparam("after"),
        completed_chunks.c.digest.is_not(None),
    )
    .order_by(completed_chunks.c.chunk_index)
    .limit(bindparam("rows"))
)
