"""Find the results of other jobs that answer the redo marks of a job. Reads only.

Example: a file with a redo mark is edited. The new job takes over the result and its mark, and pays for the new result.
Then the edit is undone, and the first job goes on. The new job's result answers the mark of the first job, too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.plan import same_settings
from checkpoint_store.storage.open_requests import Source
from checkpoint_store.storage.sql import bindparam, completed_chunks, jobs, null, select
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.beginnings import Begun, has_same_results
from checkpoint_store.storage.statements.statement import Statement

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
    """Return the sources of results of other jobs that answer the redo marks of a job, by chunk index.

    The results were made under the same settings. For a sequential job, all results come from one other job, which has
    the same results before the first mark; the chunks end before the first mark that this other job does not answer.
    """
    marks = sorted(redos.marks(connection, job.job_id))
    fingerprints = list(request.fingerprints_by(job.fingerprint_rule) or ()) if marks else []
    by_redo = _answers_in_store(connection, request, job, path) if fingerprints else {}
    of_chunks = {
        mark.chunk_index: by_redo.get((mark.asked_at, fingerprints[mark.chunk_index]), []) for mark in marks if by_redo
    }
    if request.plan.sequential:
        return _in_order(connection, job, of_chunks)
    return {index: _of_same_index(index, sources) for index, sources in of_chunks.items() if sources}


def _of_same_index(index: int, sources: list[Source]) -> Source:
    """Return the result of the chunk with the same index, if it is among these; otherwise the first result."""
    return next((source for source in sources if source.chunk_index == index), sources[0])


def _in_order(connection: sqlite3.Connection, job: JobRecord, of_chunks: dict[int, list[Source]]) -> dict[int, Source]:
    """Return the answers for a sequential job: see :func:`answers`. ``of_chunks`` has the marks in ascending order."""
    taken: dict[int, Source] = {}
    begun = Begun(job.job_id, min(of_chunks, default=0))
    candidates = [source.job_id for source in of_chunks.get(begun.chunks, [])]
    answering = next((job_id for job_id in candidates if has_same_results(connection, begun, job_id)), None)
    for index, sources in of_chunks.items():
        source = Source(answering or "", index)
        if source not in sources:
            break
        taken[index] = source
    return taken


def _answers_in_store(
    connection: sqlite3.Connection, request: OpenRequest, job: JobRecord, path: Path
) -> dict[tuple[str, Any], list[Source]]:
    """Return the sources of results that answer a redo, those of the newest job first.

    The key is (when the redo was asked for, fingerprint of the chunk).
    """
    usable: dict[str, bool] = {}
    by_redo = defaultdict(list)
    for asked_at, fingerprint, job_id, index in _ANSWERS.run(connection, but_job=job.job_id):
        if job_id not in usable:
            usable[job_id] = same_settings(job_statements.find_job(connection, job_id, path).plan, request.plan)
        if usable[job_id]:
            by_redo[asked_at, fingerprint].append(Source(job_id, index))
    return by_redo
