"""Merge the jobs of another store, each in one transaction. A result is accepted only if its digest is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.errors import ChunkAlreadyCompleted
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.reports import JobMerge
from checkpoint_store.storage.merging import chunk_rows, own_jobs
from checkpoint_store.storage.records.open_requests import Source
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.storage.sql import bindparam, chunk_results, completed_chunks, select
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.completions import count, record, set_settings, set_source
from checkpoint_store.storage.statements.job_rows import finish_if_left_running, was_deleted
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import stretch
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.records import JobRecord

_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_PAGE: Final = Statement(
    select(
        _C.chunk_index,
        _R.result,
        _C.digest,
        _R.digest,
        _C.completed_at,
        _C.fingerprint,
        _C.source_job_id,
        _C.source_chunk_index,
        _C.source_differs_in,
        _C.redo_asked_at,
    )
    .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
    .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after"))
    .order_by(_C.chunk_index)
    .limit(bindparam("rows"))
)


@dataclass(frozen=True, slots=True)
class OtherStore:
    """The other store of a merge."""

    connection: sqlite3.Connection
    """Reads a copy of the other store, which nobody changes."""
    path: Path
    """The path of the other store, for messages."""
    is_state: bool = False
    """Whether the copy was made of a state file, which does not tell when its results were recorded."""


@dataclass(frozen=True, slots=True)
class _Merge:
    """One job of another store that is merged into the store at ``path``."""

    path: Path
    other: OtherStore
    job: JobRecord
    payers: Mapping[str, str]
    """For each job of the other store, the job of this store that has the results which that job paid for."""
    taken: Collection[str]
    """The jobs of this store that newer jobs of the other store were merged into."""


@dataclass(slots=True)
class _Taken:
    """The outcome of merging a job's results."""

    added: int = 0
    redone: int = 0
    """The number of results that answer a redo mark of this store."""
    same: int = 0
    contradictions: dict[int, chunk_rows.LeftOut] = field(default_factory=dict)
    """The other store's result, by chunk."""
    new_chunks: set[int] = field(default_factory=set)


def merge_all(database: Database, other: OtherStore) -> Iterator[JobMerge]:
    """Merge the jobs of another store, the one opened last first, and yield the report on each.

    Each job is durable when its report is yielded. A killed merge can be repeated.
    """
    records = job_statements.list_jobs(other.connection, other.path)
    payers = database.read(_job_ids, database.path, records)
    taken: set[str] = set()
    for job in records:
        merged = database.write(partial(_merge, merge=_Merge(database.path, other, job, payers, taken)))
        taken.add(merged.job_id)
        (log.warning if merged.contradictions or merged.passed_over else log.info)("%s: %s", other.path, merged)
        yield merged


def _job_ids(connection: sqlite3.Connection, path: Path, records: Sequence[JobRecord]) -> dict[str, str]:
    """Return, for each job of the other store, the job of this store that has its results, or will have them."""
    job_ids: dict[str, str] = {}
    for job in records:
        own = own_jobs.job_for(connection, path, job, taken=job_ids.values())
        job_ids[job.job_id] = job.job_id if own is None else own.job_id
    return job_ids


def _merge(connection: sqlite3.Connection, merge: _Merge) -> JobMerge:
    path, other, job = merge.path, merge.other.connection, merge.job
    if was_deleted(connection, job.job_id):
        return _passed_over(job, job.job_id, "it was deleted here")
    own = own_jobs.job_for(connection, path, job, taken=merge.taken)
    if own is None:
        own_jobs.add(connection, path, other, job)
    else:
        reason = own_jobs.reason_against(connection, own, other, job)
        if reason is not None:
            return _passed_over(job, own.job_id, reason)
        own_jobs.grow(connection, path, own, job)
    job_id = job.job_id if own is None else own.job_id
    taken = _take_results(connection, merge, job_id)
    made = chunk_rows.take_attempts(connection, other, job.job_id, job_id, taken.contradictions)
    torn = job.sequential and bool(taken.contradictions)
    chunk_rows.take_facts(connection, other, job.job_id, job_id, taken.new_chunks, with_handles=not torn)
    _end(connection, path, job_id, taken, is_new=own is None)
    now_here = job_statements.find_job(connection, job_id, path)
    return JobMerge(
        job_id=job_id,
        other_job_id=job.job_id,
        file_name=job.file_name,
        status=now_here.status,
        is_new=own is None,
        added_chunks=taken.added + taken.redone,
        same_chunks=taken.same,
        contradictions=tuple(taken.contradictions),
        added_attempts=made,
        remaining_chunks=now_here.remaining_count,
    )


def _passed_over(job: JobRecord, job_id: str, reason: str) -> JobMerge:
    return JobMerge(job_id=job_id, other_job_id=job.job_id, file_name=job.file_name, status=None, passed_over=reason)


def _take_results(connection: sqlite3.Connection, merge: _Merge, job_id: str) -> _Taken:
    """Complete chunks of a job with results of the other store. The results of this store stay."""
    taken, its_id = _Taken(), merge.job.job_id
    here: dict[int, Any] = dict(result_statements.digests(connection, job_id))

    def page(after: int, rows: int) -> list[Any]:
        return _PAGE.run(merge.other.connection, in_job=its_id, after=after, rows=rows).fetchall()

    for page_rows in result_statements.paged(page):
        for index, stored, its_digest, beside, *rest in page_rows:
            text = None
            if its_digest is not None:
                text = result_statements.verified(merge.other.path, its_id, index, stored, its_digest, beside)
            other_result = _OtherResult._make((job_id, index, text, *rest))
            if merge.job.sequential and taken.contradictions:  # it was made from results that stayed out
                taken.contradictions[index] = other_result.left_out(merge.other)
            else:
                _take_one(connection, other_result, here.get(index), taken, merge)
    return taken


class _OtherResult(NamedTuple):
    """A completed chunk of the other store, for a job of this store."""

    job_id: str
    chunk_index: int
    text: str | None
    completed_at: str
    fingerprint: str | None
    payer: str | None
    paid_at: int | None
    differs_in: str | None
    answers: str | None
    """The time of the redo that the result answers; None if it answers none."""

    def left_out(self, other: OtherStore) -> chunk_rows.LeftOut:
        """Return this result as a result that is not taken."""
        is_of_no_attempt = self.payer is None and not other.is_state
        return chunk_rows.LeftOut(self.text or "", self.completed_at, may_be_of_no_attempt=is_of_no_attempt)


def _take_one(
    connection: sqlite3.Connection,
    other_result: _OtherResult,
    digest_here: str | None,
    taken: _Taken,
    merge: _Merge,
) -> None:
    job_id, index, text = other_result.job_id, other_result.chunk_index, other_result.text
    digest = None if text is None else result_digest.digest(job_id, index, text)
    is_answer = (
        other_result.answers is not None and redos.asked_at(connection, job_id, index, None) == other_result.answers
    )
    if digest is not None and digest == digest_here and not is_answer:
        taken.same += 1
        return
    completion = Completion(job_id, index, other_result.completed_at, text, digest, other_result.fingerprint)
    try:
        more = record(connection, completion, answers=other_result.answers)
    except ChunkAlreadyCompleted:
        taken.contradictions[index] = other_result.left_out(merge.other)
        return
    if more is None:
        taken.same += 1
        return
    taken.added += more
    taken.redone += is_answer
    taken.new_chunks.add(index)
    payer = None if other_result.payer is None else merge.payers.get(other_result.payer, other_result.payer)
    source = None if payer is None else Source(payer, int(other_result.paid_at or 0), other_result.differs_in)
    if source is not None and source[:2] != (job_id, index):  # another job paid for it, or this job at another chunk
        set_source(connection, job_id, index, source)
    elif other_result.differs_in is not None:
        set_settings(connection, job_id, index, other_result.differs_in)


def _end(connection: sqlite3.Connection, path: Path, job_id: str, taken: _Taken, *, is_new: bool) -> None:
    """Count the new results, and complete the job if no chunk is left. The rate of its stretch stays."""
    if is_new:
        job_statements.recount(connection, job_id)
    elif taken.new_chunks:  # also for chunks that were complete without a result
        changes = stretch.changes_now(connection, job_id, path)
        record = job_statements.find_job(connection, job_id, path)
        changes["stretch_completed_count"] = record.stretch_completed_count + taken.added + taken.redone
        count(connection, job_id, taken.added, changes["updated_at"])  # the last redo completes the job, too
        job_statements.update_job(connection, job_id, path, **changes)
    finish_if_left_running(connection, job_id)
