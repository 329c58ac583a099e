"""A whole state into the store, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store import codec
from checkpoint_store._db import queries
from checkpoint_store._db.driver import driver_of
from checkpoint_store._db.writer import Completion, record
from checkpoint_store.errors import InvalidResultError, JobNotFound, StateFormatError
from checkpoint_store.frozen import thaw
from checkpoint_store.state import now

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store._db.queries import JobRecord
    from checkpoint_store.state import ProcessingState


def save(connection: Connection, state: ProcessingState, path: Path, *, replace: bool) -> JobRecord:
    """Make the store's job equal to ``state`` and current, except that no completed chunk or result is taken back.

    With ``replace`` a result of the state takes the place of another one; without it that is an error.
    """
    values = _columns(state)
    try:
        known = queries.find_job(connection, state.job_id, path)
    except JobNotFound:
        known = None
    if known is None or known.job_id != state.job_id:  # the id may be a prefix of another
        queries.insert_job(
            connection,
            {
                **values,
                "job_id": state.job_id,
                "completed_count": 0,
                "stretch_started_at": now(),
                "stretch_completed_count": len(state.completed_chunks),
            },
        )
    else:
        _update(connection, known, values, path, replace=replace)
    driver = driver_of(connection)
    results = state.results()
    for index in state.completed_chunks:
        record(driver, _completion(state, index, results, replace=replace))
    queries.recount(connection, state.job_id)
    return queries.find_job(connection, state.job_id, path)


def _columns(state: ProcessingState) -> dict[str, Any]:
    return {
        "status": state.status.value,
        "file_name": state.file_name,
        "video_title": state.video_title,
        "model": state.model,
        "provider": state.provider,
        "total_chunks": state.total_chunks,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "error_message": state.error_message,
        "config": codec.encode(thaw(state.config), name="config"),
    }


def _update(connection: Connection, known: JobRecord, values: dict[str, Any], path: Path, *, replace: bool) -> None:
    if known.total_chunks > values["total_chunks"]:
        top = max(queries.indices(connection, known.job_id), default=-1)
        if top >= values["total_chunks"]:
            raise StateFormatError(
                "total_chunks",
                f"is {values['total_chunks']}, but chunk {top} of job {known.job_id} is complete in {path}; save it as "
                "a job of its own (another job_id), or clear() this one first",
            )
    if replace:
        queries.update_job(connection, known.job_id, path, **values)
    queries.make_newest(connection, known.job_id)
    queries.make_current(connection, known.job_id)


def _completion(state: ProcessingState, index: int, results: dict[int, Any], *, replace: bool) -> Completion:
    if index not in results:
        return Completion(state.job_id, index, state.updated_at, None, None)
    try:
        text = codec.encode(thaw(results[index]), name="result")
    except InvalidResultError as error:
        raise InvalidResultError(error.reason, path=error.path, job_id=state.job_id, chunk_index=index) from error
    digest = codec.digest(state.job_id, index, text)
    return Completion(state.job_id, index, state.updated_at, text, digest, replace=replace)
