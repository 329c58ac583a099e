"""Results that a single handle fetched for more than one place of a job: they were paid for once.

A handle travels to another job by the fingerprint of its chunk, to each place in which the chunk stands. The results
that a service gives for it there are one result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.storage.open_requests import Source
from checkpoint_store.storage.sql import chunk_handles, chunk_results, completed_chunks, func, jobs, null, select
from checkpoint_store.storage.statements import completions
from checkpoint_store.storage.statements.carry_over import moved
from checkpoint_store.storage.statements.compiled import at_chunk
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

_C: Final = completed_chunks.c
_H: Final = chunk_handles.c
_R: Final = chunk_results.c
_SAME: Final = chunk_handles.alias()
_THIS: Final[Any] = (*at_chunk(_H), _SAME.c.handle == _H.handle, _SAME.c.fingerprint == _H.fingerprint)
_PAID: Final = Statement(
    lambda: (
        select(_C.chunk_index, _R.result)
        .select_from(chunk_handles)
        .join(_SAME, (_SAME.c.fingerprint == _H.fingerprint) & (_SAME.c.job_id == _H.job_id))
        .join(completed_chunks, (_C.job_id == _SAME.c.job_id) & (_C.chunk_index == _SAME.c.chunk_index))
        .join(chunk_results, _R.result_id == _C.result_id)
        .where(*_THIS, _C.source_job_id.is_(null()))
        .order_by(_C.chunk_index)
    )
)
"""The results of a job that it paid for, of the chunks with the handle and the fingerprint of one chunk."""
_PLACES: Final = Statement(
    lambda: (
        select(func.count(), func.min(_SAME.c.recorded_at), jobs.c.job_number)
        .select_from(chunk_handles)
        .join(_SAME, _SAME.c.fingerprint == _H.fingerprint)
        .join(jobs, jobs.c.job_id == _SAME.c.job_id)
        .where(*_THIS)
        .group_by(_SAME.c.job_id)
    )
)


class _Places(NamedTuple):
    """The places of one handle and one fingerprint in a job."""

    places: int
    recorded_at: str
    job_number: int


def payer_of(connection: sqlite3.Connection, job_id: str, index: int) -> Source | None:
    """Return the chunk of this job that paid for the result of a chunk with a handle; None: the chunk itself.

    A service that was given the work in two places was paid twice: it is known by the job that recorded the handle.
    """
    here = {"in_job": job_id, "at_index": index}
    paid = dict(_PAID.run(connection, **here).fetchall())
    text = paid.pop(index, None)
    if text is None or not paid:
        return None
    jobs_with_it = [_Places(*row) for row in _PLACES.run(connection, **here)]
    # The job that recorded the handle is the first one by both orders, unless the clock jumped, or an older job took
    # the handle over. Then the higher number counts: what is counted twice overspends no budget.
    firsts = min(jobs_with_it, key=lambda has: has.job_number), min(jobs_with_it, key=lambda has: has[1:])
    if len(paid) < max(first.places for first in firsts):
        return None
    payer = next((other for other, its_text in paid.items() if moved(its_text, other, index) == text), None)
    return None if payer is None else Source(job_id, payer)


def note_payer(connection: sqlite3.Connection, job_id: str, index: int) -> None:
    """Record which chunk of the job paid for the result of a chunk with a handle. Repeating this changes nothing."""
    payer = payer_of(connection, job_id, index)
    if payer is not None:
        completions.set_source(connection, job_id, index, payer)
