"""Results of other jobs that answer a redo which a job still waits for. Reads only.

A job that takes a result over takes its mark along, and answers that itself. Where the edit is undone after that, and
the first job goes on, its own mark is answered by the result that was paid for there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, null, select

from checkpoint_store.model.plan import same_settings
from checkpoint_store.storage.open_requests import Source
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import Statement
from checkpoint_store.storage.tables import completed_chunks, jobs

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.records import JobRecord

_C: Final = completed_chunks.c
_ANSWERS: Final = Statement(
    lambda: (
        select(_C.redo_asked_at, _C.fingerprint, _C.job_id, _C.chunk_index)
        .join_from(completed_chunks, jobs, jobs.c.job_id == _C.job_id)
        .where(
            _C.redo_asked_at.is_not(null()),
            _C.job_id != bindparam("but_job"),
            _C.digest.is_not(null()),
            _C.source_differs_in.is_(null()),
        )
        .order_by(jobs.c.job_number.desc(), _C.chunk_index)
    )
)


def answers(connection: sqlite3.Connection, request: OpenRequest, job: JobRecord, path: Path) -> dict[int, Source]:
    """Return the results of other jobs that answer the marks of a job, made under the very same settings."""
    marks = redos.marks(connection, job.job_id)
    fingerprints = list(request.fingerprints_by(job.fingerprint_rule) or ()) if marks else []
    places = _places(connection, request, job, path) if fingerprints else {}
    found = {}
    for mark in marks:
        of_chunk = places.get((mark.asked_at, fingerprints[mark.chunk_index]), []) if places else []
        if of_chunk:
            same = (place for place in of_chunk if place.chunk_index == mark.chunk_index)
            found[mark.chunk_index] = next(same, of_chunk[0])
    return found


def _places(
    connection: sqlite3.Connection, request: OpenRequest, job: JobRecord, path: Path
) -> dict[tuple[str, Any], list[Source]]:
    """Return where results answer a redo, by the moment at which it was asked for and the chunk's fingerprint."""
    usable: dict[str, bool] = {}
    places = defaultdict(list)
    for asked_at, fingerprint, job_id, index in _ANSWERS.run(connection, but_job=job.job_id):
        if job_id not in usable:
            usable[job_id] = same_settings(job_statements.find_job(connection, job_id, path).plan, request.plan)
        if usable[job_id]:
            places[asked_at, fingerprint].append(Source(job_id, index))
    return places
