"""The order of a sequential job, checked in the transaction that completes a chunk: no redo can come in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkOutOfOrder
from checkpoint_store.storage.sql import bindparam, jobs, literal_column, select
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import PRESENT
from checkpoint_store.storage.statements.job_rows import no_job
from checkpoint_store.storage.statements.results import completed_in
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from checkpoint_store.storage.records.records import Completion

_IS_SEQUENTIAL: Final = Statement(
    select(jobs.c.job_id).where(jobs.c.job_id == bindparam("in_job"), jobs.c.sequential == literal_column("1"))
)


def is_sequential(connection: sqlite3.Connection, job_id: str) -> bool:
    """Whether the store has the job, and each chunk of it depends on the results before it."""
    return _IS_SEQUENTIAL.run(connection, in_job=job_id).fetchone() is not None


def require_order(connection: sqlite3.Connection, completions: Sequence[Completion]) -> None:
    """Refuse completions of one sequential job if the chunk before one of them is neither complete nor among them.

    Refuse, too, a result that was made from the result before it, if another result stands there by now; and a result
    behind a chunk that is to be done again. This reads at most two rows for a completion.
    """
    job_id, wanted = completions[0].job_id, {completion.chunk_index for completion in completions}
    _refuse_behind_redo(connection, job_id, wanted)
    for completion in completions:
        index, seen = completion.chunk_index, completion.previous_digest
        if not index or (seen is None and index - 1 in wanted):
            continue
        before = PRESENT.run(connection, in_job=job_id, at_index=index - 1).fetchone()
        if before is None and index - 1 not in wanted:
            raise _missing(connection, job_id, index)
        if is_from_older(completion, before):
            raise ChunkOutOfOrder(job_id, index, index - 1, is_stale=True)


def is_from_older(completion: Completion, before: tuple[Any, ...] | None) -> bool:
    """Whether a completion was made from another result of the chunk before than the one in this row, if any."""
    seen = completion.previous_digest
    return seen is not None and before is not None and seen != (before[0] or "")


def _refuse_behind_redo(connection: sqlite3.Connection, job_id: str, wanted: Collection[int]) -> None:
    """Refuse to complete a chunk behind a chunk that is to be done again, and is not ``wanted``."""
    last = max(wanted)
    (first,) = redos.FIRST.run(connection, in_job=job_id).fetchone()
    if first is None or first >= last:
        return
    for missing in redos.indices(connection, job_id):
        if missing < last and missing not in wanted:
            raise ChunkOutOfOrder(job_id, min(index for index in wanted if index > missing), missing)


def _missing(connection: sqlite3.Connection, job_id: str, index: int) -> Exception:
    """Return the error for a chunk if a chunk before it is not complete, or if the store does not have its job."""
    if not is_sequential(connection, job_id):
        return no_job(connection, job_id)
    done = completed_in(connection, job_id, 0, index)
    return ChunkOutOfOrder(job_id, index, min(set(range(index)) - set(done)))
