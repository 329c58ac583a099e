"""The growth of a job into a plan whose first chunks are the chunks of the job."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import Difference, counted
from checkpoint_store.model.plan import digest_of_fingerprints, same_settings
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store.model.plan import Plan
    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.records import JobRecord

_C: Final = completed_chunks.c
_FINGERPRINTS: Final = Statement(
    lambda: select(_C.chunk_index, _C.fingerprint).where(
        _C.job_id == bindparam("in_job"), _C.fingerprint.is_not(null())
    )
)
_PAYERS: Final = Statement(
    lambda: select(_C.source_job_id).where(_C.job_id == bindparam("in_job"), _C.source_job_id.is_not(null())).distinct()
)
_CONTENT_NOT_GIVEN: Final = "not given (only their number is)"


def job_to_extend(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the newest job of the file if it can grow into a plan, or has more chunks than the plan; otherwise None.

    The job need not have results: a runner may be at work on it. A plan with fewer chunks than the job is of an old
    version of the input. A second job for it would be paid for in vain.
    """
    newest = job_statements.list_jobs(connection, path, file_name=request.plan.file_name, limit=1)
    total = request.plan.total_chunks
    return next((job for job in newest if job.total_chunks > total or can_grow(job, request)), None)


def can_grow(job: JobRecord, request: OpenRequest) -> bool:
    """Return whether a job's settings are the plan's, and its chunks the first ones of the plan, which has more."""
    total = job.total_chunks
    return (
        total < request.plan.total_chunks
        and _is_of_kind(job, request.plan)
        and job.chunks_digest in (None, _digest_of_first(total, request, job.fingerprint_rule))
    )


def _is_of_kind(job: JobRecord, plan: Plan) -> bool:
    """Whether a job's settings are those of a plan."""
    return job.sequential == plan.sequential and same_settings(job.plan, plan)


def differences_at_beginning(
    connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, differences: Iterable[Difference]
) -> list[Difference]:
    """Return the differences that keep a job from growing into a plan: all except the growth itself."""
    total, wanted = job.total_chunks, request.plan.total_chunks
    grows_by_number = total <= wanted
    growth = ("chunks", "total_chunks") if grows_by_number else ("chunks",)
    others = [difference for difference in differences if difference.field not in growth]
    if not grows_by_number or job.chunks_digest is None or job.sequential != request.plan.sequential:
        return others
    if request.fingerprints is None:
        not_at_hand = Difference("chunks", f"{counted(total, 'chunk')} with their content", _CONTENT_NOT_GIVEN)
        return [*others, not_at_hand] if total < wanted else others
    digest = _digest_of_first(total, request, job.fingerprint_rule)
    if digest != job.chunks_digest:
        old, new = (
            f"the first {counted(total, 'chunk')} with digest {(text or '')[:14]}"
            for text in (job.chunks_digest, digest)
        )
        changed = _first_changed(connection, job, request)
        others.append(Difference("chunks", old, new if changed is None else f"{new}; chunk {changed} is another one"))
    return others


def _first_changed(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest) -> int | None:
    """Return the first chunk of a plan whose result in the job was made from another chunk; None if there is none."""
    made_from = dict(_FINGERPRINTS.run(connection, in_job=job.job_id).fetchall())
    given = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
    return next((index for index, fingerprint in given if made_from.get(index, fingerprint) != fingerprint), None)


def payers(connection: sqlite3.Connection, job_id: str) -> set[str]:
    """Return the jobs that paid for results which a job carries: its caller chose to reuse their results."""
    return {payer for (payer,) in _PAYERS.run(connection, in_job=job_id)}


def _digest_of_first(total: int, request: OpenRequest, rule: int) -> str | None:
    """Return the digest of a plan's first chunks; None if they are not at hand, or the rule does not identify them."""
    fingerprints = request.fingerprints_by(rule)
    return None if fingerprints is None else digest_of_fingerprints(islice(fingerprints, total))


def extend(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, path: Path) -> JobRecord:
    """Let a job grow into a plan, and return the grown job. Completed chunks stay as they are."""
    changes: dict[str, Any] = {"total_chunks": request.plan.total_chunks}
    if job.chunks_digest is not None:
        changes["chunks_digest"] = request.digest_by(job.fingerprint_rule)
    job_statements.update_job(connection, job.job_id, path, **changes)
    return job_statements.find_job(connection, job.job_id, path)
