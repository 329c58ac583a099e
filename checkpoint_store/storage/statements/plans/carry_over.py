"""Carry results of other jobs over into a job, or a result of a handle to each of its places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.records.open_requests import Source
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.storage.sql import (
    attempts,
    chunk_handles,
    chunk_results,
    completed_chunks,
    func,
    jobs,
    literal_column,
    null,
    select,
)
from checkpoint_store.storage.statements import compiled, completions, handles, redos
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.attempts.attempt_log import IN_JOB_BY_RUNNING
from checkpoint_store.storage.statements.compiled import at_chunk
from checkpoint_store.storage.statements.completions import count, record, set_source
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.plans.comparison import joined
from checkpoint_store.storage.statements.plans.stored_results import setting_names
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import JobRecord


_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_STORED: Final = Statement(
    select(_R.result, _C.digest, _R.digest, _C.source_job_id, _C.source_chunk_index, _C.redo_asked_at)
    .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
    .where(*compiled.at_chunk(_C))
)

_COMPLETE: Final = compiled.insert_into("completed_chunks")
_AT_WORK: Final = Statement(
    select(attempts.c.chunk_index, attempts.c.number, attempts.c.runner_id).where(
        attempts.c.outcome == literal_column("'running'"), IN_JOB_BY_RUNNING
    )
)


def chunks_at_work(connection: sqlite3.Connection, job_id: str) -> list[tuple[int, int, int]]:
    """Return (chunk index, number of the attempt, runner id) of the chunks of a job that a runner has claimed.

    The runner may be dead, or alive.
    """
    return _AT_WORK.run(connection, in_job=job_id).fetchall()


def carry_over(
    connection: sqlite3.Connection, job: JobRecord, sources: Mapping[int, Source], request: OpenRequest, path: Path
) -> JobRecord:
    """Complete chunks of a job with results of other jobs, and return the job as it is then.

    A result with a redo mark brings its mark. A result for a chunk that is complete here answers the redo of that
    chunk.
    """
    moment, job_id = now(), job.job_id
    again = sources.keys() & set(redos.indices(connection, job_id)) if job.redo_count else set[int]()
    fingerprints = request.fingerprints_by(job.fingerprint_rule)
    unknown = ((index, None) for index in sorted(sources))  # the chunks are only numbered
    for index, fingerprint in unknown if fingerprints is None else enumerate(fingerprints):
        if index not in sources:
            continue
        text, payer, answers = _taken(connection, sources[index], index, path)
        digest = result_digest.digest(job_id, index, text)
        if index in again:
            completion = Completion(job_id, index, moment, text, digest, fingerprint)
            record(connection, completion, answers=answers)
            set_source(connection, job_id, index, payer)
            continue
        added = connection.execute(compiled.ADD_RESULT.text, (job_id, index, text, digest))
        _COMPLETE.run(
            connection,
            job_id=job_id,
            chunk_index=index,
            completed_at=moment,
            fingerprint=fingerprint,
            digest=digest,
            result_id=added.lastrowid,
            source_job_id=payer.job_id,
            source_chunk_index=payer.chunk_index,
            source_differs_in=sources[index].differs_in,
            redo_asked_at=answers,
        )
    to_redo = redos.of_kept(connection, sources)
    redos.mark(connection, job_id, to_redo)
    count(connection, job_id, len(sources) - len(again), moment)
    begun_with = job.stretch_completed_count + len(sources) - len(to_redo)  # carried results took no time of this job
    job_statements.update_job(connection, job_id, path, stretch_completed_count=begun_with)
    return job_statements.find_job(connection, job_id, path)


def _taken(connection: sqlite3.Connection, source: Source, index: int, path: Path) -> tuple[str, Source, str | None]:
    """Return the text of a result for its new chunk, the chunk that paid for it, and the redo that it answers."""
    row = _STORED.run(connection, in_job=source.job_id, at_index=source.chunk_index).fetchone()
    text, digest, digest_beside, payer, paid_at, answers = row
    verified = result_statements.verified(path, source.job_id, source.chunk_index, text, digest, digest_beside)
    payer = source if payer is None else Source(payer, paid_at)
    return moved(verified, source.chunk_index, index), payer, answers


def moved(text: str, source: int, index: int) -> str:
    """Return a result with its new ``chunk_index``, if it named its chunk; another ``chunk_index`` is the caller's."""
    if source == index or '"chunk_index"' not in text:
        return text
    result = json_text.decode(text)
    if isinstance(result, dict) and type(result.get("chunk_index")) is int and result["chunk_index"] == source:
        result["chunk_index"] = index
        return json_text.encode(result)
    return text


_H: Final = chunk_handles.c
_SAME: Final = chunk_handles.alias()
_THIS: Final[Any] = (*at_chunk(_H), _SAME.c.handle == _H.handle, _SAME.c.fingerprint == _H.fingerprint)
_PAID: Final = Statement(
    select(_C.chunk_index, _R.result)
    .select_from(chunk_handles)
    .join(_SAME, (_SAME.c.fingerprint == _H.fingerprint) & (_SAME.c.job_id == _H.job_id))
    .join(completed_chunks, (_C.job_id == _SAME.c.job_id) & (_C.chunk_index == _SAME.c.chunk_index))
    .join(chunk_results, _R.result_id == _C.result_id)
    .where(*_THIS, _C.source_job_id.is_(null()))
    .order_by(_C.chunk_index)
)
"""The results of a job that it paid for, of the chunks with the handle and the fingerprint of one chunk."""
_PLACES: Final = Statement(
    select(func.count(), func.min(_SAME.c.recorded_at), jobs.c.job_number)
    .select_from(chunk_handles)
    .join(_SAME, _SAME.c.fingerprint == _H.fingerprint)
    .join(jobs, jobs.c.job_id == _SAME.c.job_id)
    .where(*_THIS)
    .group_by(_SAME.c.job_id)
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


def settings_of_handle(connection: sqlite3.Connection, job_id: str, index: int, path: Path) -> str | None:
    """Return the settings in which the job that recorded a handle differs from a job that took it: a JSON list."""
    origin = handles.origin(connection, job_id, index)
    if origin == job_id:
        return None
    plans = (job_statements.find_job(connection, holder, path).plan for holder in (origin, job_id))
    return joined(None, setting_names(*plans))


def note_origin(connection: sqlite3.Connection, job_id: str, index: int, path: Path) -> None:
    """Record of a chunk with a handle which chunk of the job paid for the result, and in which settings it differs.

    The work of the handle was done under the settings of the job that recorded the handle. Repeating this changes
    nothing.
    """
    payer, differs_in = payer_of(connection, job_id, index), settings_of_handle(connection, job_id, index, path)
    if payer is not None:
        completions.set_source(connection, job_id, index, payer._replace(differs_in=differs_in))
    elif differs_in is not None:
        completions.set_settings(connection, job_id, index, differs_in)
