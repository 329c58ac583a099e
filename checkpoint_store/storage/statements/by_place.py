"""The results that are taken by the place of their chunk, because the content of the chunk is not known. Reads only.

A job that was opened by its number of chunks, or that comes from a state file, has no fingerprints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import same_settings
from checkpoint_store.storage.open_requests import Source
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.storage.statements.stored_results import setting_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.open_requests import OpenRequest

_C: Final = completed_chunks.c


def _results() -> Select[Any]:
    return (
        select(_C.chunk_index, _C.fingerprint)
        .where(_C.job_id == bindparam("in_job"), _C.digest.is_not(null()), _C.source_differs_in.is_(null()))
        .order_by(_C.chunk_index)
    )


_RESULTS: Final = Statement(_results)
_OF_UNKNOWN_CHUNKS: Final = Statement(lambda: _results().where(_C.fingerprint.is_(null())))
"""SQLite returns no row of a job that knows its chunks: the write transaction waits for no loop over such rows."""


def results_by_place(
    connection: sqlite3.Connection, request: OpenRequest, path: Path, ignoring: frozenset[str], but: Container[int]
) -> dict[int, Source]:
    """Return results of the newest job of the file that has them, and that has as many chunks.

    Args:
        connection: of the store.
        request: what is asked for.
        path: the store file.
        ignoring: the settings in which the job may differ.
        but: the chunks that have a result already.
    """
    plan = request.plan
    if all(index in but for index in range(plan.total_chunks)):
        return {}
    needs_unknown = request.fingerprints is not None
    statement = _OF_UNKNOWN_CHUNKS if needs_unknown and not plan.sequential else _RESULTS
    for job in job_statements.list_jobs(connection, path, file_name=plan.file_name, with_results=True):
        if job.total_chunks != plan.total_chunks or not same_settings(job.plan, plan, ignoring):
            continue
        differs = sorted(setting_names(job.plan, plan))
        differs_in = json_text.encode(differs) if differs else None
        sources: dict[int, Source] = {}
        for index, fingerprint in statement.run(connection, in_job=job.job_id):
            if plan.sequential and (index != len(sources) or (needs_unknown and fingerprint is not None)):
                break
            if index not in but:
                sources[index] = Source(job.job_id, index, differs_in)
        if sources:
            return sources
    return {}
