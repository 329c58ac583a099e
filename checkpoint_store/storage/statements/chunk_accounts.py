"""The account of each chunk of a job: its attempts, their time, and the money that was paid in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.records import ChunkAccount
from checkpoint_store.storage.sql import attempts, bindparam, case, completed_chunks, func, literal_column, or_, select
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

_A: Final = attempts.c
_C: Final = completed_chunks.c
_IN_VAIN: Final[Any] = case(
    (
        or_(
            _A.outcome.in_([literal_column("'failed'"), literal_column("'abandoned'")]),
            _A.replaced_result_id.is_not(None),
        ),
        _A.cost,
    )
)
_ATTEMPTS: Final = Statement(
    lambda: (
        select(_A.chunk_index, func.count(), func.sum(_A.seconds), func.sum(_IN_VAIN))
        .where(_A.job_id == bindparam("in_job"))
        .group_by(_A.chunk_index)
    )
)
_CARRIED: Final = Statement(
    lambda: select(_C.chunk_index).where(_C.job_id == bindparam("in_job"), _C.source_job_id.is_not(None))
)


def accounts(connection: sqlite3.Connection, job_id: str) -> dict[int, ChunkAccount]:
    """Return the account of each chunk that was tried or carried over; by index, in no order."""
    attempts = {index: sums for index, *sums in _ATTEMPTS.run(connection, in_job=job_id)}
    carried = {index for (index,) in _CARRIED.run(connection, in_job=job_id)}

    def account(index: int) -> ChunkAccount:
        count, seconds, failed_cost = attempts.get(index, (0, None, None))
        return ChunkAccount(count, seconds, failed_cost, index in carried)

    return {index: account(index) for index in attempts.keys() | carried}
