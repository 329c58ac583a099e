"""Find the handles in the store for the chunks of a plan, by fingerprint, as results are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.plan import normal_name, same_settings
from checkpoint_store.storage.statements import handles
from checkpoint_store.storage.statements.beginnings import Begun, has_same_results
from checkpoint_store.storage.statements.jobs import find_job

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from checkpoint_store.storage.open_requests import OpenRequest, Source
    from checkpoint_store.storage.records import JobRecord
    from checkpoint_store.storage.statements.handles import HandleRow


def for_new_job(
    connection: sqlite3.Connection, request: OpenRequest, path: Path, reused: Mapping[int, Source]
) -> dict[int, str]:
    """Return the newest handle that a new job with these results can take over, by chunk. Reads only.

    A handle is taken under the conditions of a result: the same fingerprint and settings.
    """
    last = reused.get(len(reused) - 1)
    return _taken(connection, request, path, reused, Begun("" if last is None else last.job_id, len(reused)))


def for_rest(
    connection: sqlite3.Connection, request: OpenRequest, path: Path, job: JobRecord, done: Collection[int]
) -> dict[int, str]:
    """Return the handles that a job which goes on can take over, for incomplete chunks without a handle."""
    own = handles.left_in(connection, job.job_id)
    return _taken(connection, request, path, {*done, *own}, Begun(job.job_id, len(done)), but_job=job.job_id)


def carry(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, by_chunk: Mapping[int, str]) -> None:
    """Add handles of other jobs to a job, in the open transaction."""
    if by_chunk:
        named = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
        handles.add(
            connection, job.job_id, [(at, by_chunk[at], fingerprint) for at, fingerprint in named if at in by_chunk]
        )


def adopt(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest) -> None:
    """Fill in the fingerprints of handles that were recorded while only the number of chunks was known."""
    unknown = {at for at, fingerprint in handles.left_in(connection, job.job_id).items() if fingerprint is None}
    if unknown:
        named = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
        handles.set_fingerprints(
            connection, job.job_id, {at: fingerprint for at, fingerprint in named if at in unknown}
        )


def _taken(
    connection: sqlite3.Connection,
    request: OpenRequest,
    path: Path,
    done: Collection[int],
    begun: Begun,
    *,
    but_job: str = "",
) -> dict[int, str]:
    if request.fingerprints is None:
        return {}
    rows = [row for row in handles.outstanding(connection, but_job) if _goes_on(connection, request, row, begun)]
    rule_of = {
        job.job_id: 1 if job.fingerprint_rule == 1 and normal_name(job.file_name) == request.plan.file_name else 0
        for job in (find_job(connection, job_id, path) for job_id in {row.job_id for row in rows})
        if same_settings(job.plan, request.plan, request.reuse_ignoring)
    }
    by_chunk: dict[int, str] = {}
    for rule in set(rule_of.values()):  # rule 1 reads only a part of an object: it counts within a file
        by_fingerprint: dict[str, str] = {}
        for row in rows:
            if rule_of.get(row.job_id) == rule:
                by_fingerprint.setdefault(row.fingerprint, row.handle)
        for at, fingerprint in enumerate(request.fingerprints_by(rule) or ()):
            if at not in done and fingerprint in by_fingerprint:
                by_chunk.setdefault(at, by_fingerprint[fingerprint])
    return by_chunk


def _goes_on(connection: sqlite3.Connection, request: OpenRequest, row: HandleRow, begun: Begun) -> bool:
    """Whether the work of a handle began with the results that the job of the plan has before it."""
    if not request.plan.sequential:
        return True
    if row.chunk_index != begun.chunks:
        return False
    return row.job_id == begun.job_id or has_same_results(connection, begun, row.job_id)
