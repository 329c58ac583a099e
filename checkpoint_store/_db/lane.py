"""The hot statements, compiled once from the tables to text for the driver: they cannot drift from the schema."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, case, func, literal_column, null, select
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


def _insert(table: Any, *columns: str) -> Any:
    return sqlite.insert(table).values({name: bindparam(name) for name in columns})


def _at(table: Any) -> tuple[Any, Any]:
    return table.c.job_id == bindparam("in_job"), table.c.chunk_index == bindparam("at_index")


# One transaction: the chunk is complete, its result is there, its job knows. A chunk that is complete already is left
# alone, and the number of rows says so.
COMPLETE: Final = compiled(
    _insert(completed_chunks, "job_id", "chunk_index", "completed_at", "fingerprint", "digest").on_conflict_do_nothing(
        index_elements=["job_id", "chunk_index"]
    )
)
ADD_RESULT: Final = compiled(_insert(chunk_results, "job_id", "chunk_index", "result", "digest"))
# The writer hands these two their values as tuples in this order, without naming them.
assert COMPLETE.names == ("job_id", "chunk_index", "completed_at", "fingerprint", "digest")
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
    )
)
DROP_RESULT: Final = compiled(chunk_results.delete().where(*_at(chunk_results)))
IS_COMPLETED: Final = compiled(select(completed_chunks.c.chunk_index).where(*_at(completed_chunks)))
