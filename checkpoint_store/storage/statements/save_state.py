"""A whole state into the store, in one transaction; what is there already is not written again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, literal_column, select

from checkpoint_store.errors import ChunkOutOfOrder, InvalidResultError, JobNotFound, StateFormatError
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.state import ProcessingState, in_utc
from checkpoint_store.model.versions import WITHOUT_METADATA
from checkpoint_store.storage.moment import moment_of
from checkpoint_store.storage.records import Completion, Known
from checkpoint_store.storage.state_fields import columns_of, state_from
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import redos, stretch
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.compiled import Statement, not_back
from checkpoint_store.storage.statements.completions import count, record
from checkpoint_store.storage.statements.job_endings import finish_if_done, finish_if_left_running
from checkpoint_store.storage.tables import jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.storage.moment import Moment
    from checkpoint_store.storage.records import JobRecord


_TEXT_BYTES_MAX: Final = 64 * 1024 * 1024
"""So many characters of results are kept at most beside the state that holds them."""


def load(connection: sqlite3.Connection, record: JobRecord, path: Path, moment: Moment | None) -> Known:
    """Return what the store holds of a job, where ``moment`` is one before this snapshot."""
    texts = [text for page in result_statements.result_texts(connection, record.job_id, path) for text in page]
    return Known(moment, result_statements.state_of(connection, record, texts), _if_few(texts))


def _if_few(texts: Sequence[str]) -> Sequence[str] | None:
    return texts if sum(map(len, texts)) <= _TEXT_BYTES_MAX else None


def save(connection: sqlite3.Connection, state: ProcessingState, path: Path, *, replace: bool) -> JobRecord:
    """Make the store's job equal to ``state`` and current, except that no completed chunk or result is taken back.

    With ``replace`` a result of the state takes the place of another one, and the job's ``updated_at`` is now; without
    it another result is an error, and the times are those of the state.
    """
    _write(connection, state, path, result_statements.digests(connection, state.job_id), replace=replace)
    return job_statements.find_job(connection, state.job_id, path)


def save_changes(
    connection: sqlite3.Connection, state: ProcessingState, path: Path, known: Known | None
) -> Known | None:
    """:meth:`save` with ``replace`` for a caller that saves again and again: only what changed is looked at.

    ``known`` is what the caller was given last. It counts where nothing was committed since. Returns what the store
    holds of the job from this transaction on; None where it holds more than the state says.
    """
    if known is not None and (known.state.job_id != state.job_id or known.moment != moment_of(connection)):
        known = None
    state = _paired(connection, state, path, known)
    results = state.results()
    if known is not None:
        before = known.state.results()
        there = _unchanged(known.state, before, results)
        texts = dict(zip(before, known.texts or (), strict=False))
        with_result = set(before)
    else:
        there, texts = dict(result_statements.digests(connection, state.job_id)), {}
        with_result = {index for index, digest in there.items() if digest is not None}
    texts |= _write(connection, state, path, there, replace=True)
    if not (there.keys() <= set(state.completed_chunks) and with_result <= results.keys()):
        return None
    held = job_statements.find_job(connection, state.job_id, path)
    kept = _if_few([texts[index] for index in results]) if texts.keys() >= results.keys() else None
    to_redo = redos.indices(connection, state.job_id) if held.redo_count else []
    return Known(moment_of(connection), _as_loaded(state, held, results, to_redo), kept)


def _paired(connection: sqlite3.Connection, state: ProcessingState, path: Path, known: Known | None) -> ProcessingState:
    """Return a state in which results that are new belong to the chunks that are new.

    Its caller may have appended to the lists that the store gave, and left ``result_indices`` alone. Where every chunk
    has a result, positions say the same; among chunks without one they do not.
    """
    if state.result_indices or not 0 < len(state.processed_results) < len(state.completed_chunks):
        return state
    record = _find(connection, state.job_id, path) if known is None else None
    if record is not None:
        known = load(connection, record, path, None)
    if known is None:
        return state
    lists = {"completed_chunks": state.completed_chunks, "processed_results": state.processed_results}
    paired = known.state.replace(total_chunks=state.total_chunks, **lists)
    return state.replace(result_indices=paired.result_indices)


_SAME: Final = object()
"""In the place of a digest: the result in the store is this very one."""


def _unchanged(before: ProcessingState, old: dict[int, Any], new: dict[int, Any]) -> dict[int, Any]:
    """Return the completed chunks of ``before``, marked where the new results say the same of them."""
    there: dict[int, Any] = dict.fromkeys(before.completed_chunks)
    for index, result in old.items():
        there[index] = _SAME if index not in new or _identical(result, new[index]) else ""
    return there


def _identical(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1, 1.0 and true are three values."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_identical(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return all(map(_identical, one, other))
    return not isinstance(one, float) or str(one) == str(other)


def _write(
    connection: sqlite3.Connection, state: ProcessingState, path: Path, there: dict[int, Any], *, replace: bool
) -> dict[int, str]:
    """Write what the store lacks; ``there`` has each completed chunk that it has, by the digest of its result.

    Returns the texts of the results that had to be encoded.
    """
    moment = now() if replace else in_utc(state.updated_at)
    values = columns_of(state) | {"updated_at": moment}
    known = _find(connection, state.job_id, path)
    if known is None:
        begun = {"completed_count": 0, "stretch_started_at": now()}
        begun["stretch_completed_count"] = len(state.completed_chunks)
        job_statements.insert_job(connection, {**values, "job_id": state.job_id, **begun})
    else:
        if replace and all(index in there for index in state.completed_chunks):  # no work is recorded
            values |= stretch.changes_now(connection, state.job_id, path)
        says_metadata = state.version not in WITHOUT_METADATA
        _update(connection, known, values, path, replace=replace, says_metadata=says_metadata)
    results, texts, to_redo = state.results(), dict[int, str](), set(state.redo_chunks)
    for index in state.completed_chunks:
        if there.get(index) is _SAME:
            continue
        text, digest = None, None
        if index in results:
            text, digest = _encoded(state.job_id, index, results[index])
            texts[index] = text
        if index not in there or digest not in (None, there[index]):
            # Another result of a chunk that the state itself calls one to be done again is the new one.
            is_redo = replace and index in to_redo
            cost = None if is_redo else 0.0
            completion = Completion(state.job_id, index, moment, text, digest, replace=replace, earlier_cost=cost)
            record(connection, completion, is_work=is_redo)
    # What is complete here already may have been done again since the state was written.
    asked = [index for index in state.redo_chunks if index not in there]
    redos.mark(connection, state.job_id, dict.fromkeys(asked, moment))
    job_statements.recount(connection, state.job_id)
    if not replace:  # whoever saves a state says its status
        _end_import(connection, state, there, is_new=known is None)
    return texts


def _end_import(connection: sqlite3.Connection, state: ProcessingState, there: dict[int, Any], *, is_new: bool) -> None:
    """Complete a job that the import makes whole, or that is whole since the run which wrote the state file."""
    if not is_new and not there.keys() >= set(state.completed_chunks):
        finish_if_done(connection, state.job_id)
    else:
        finish_if_left_running(connection, state.job_id)


def _find(connection: sqlite3.Connection, job_id: str, path: Path) -> JobRecord | None:
    try:
        found = job_statements.find_job(connection, job_id, path)
    except JobNotFound:
        return None
    return found if found.job_id == job_id else None  # the id may be a prefix of another


def _update(
    connection: sqlite3.Connection,
    known: JobRecord,
    values: dict[str, Any],
    path: Path,
    *,
    replace: bool,
    says_metadata: bool,
) -> None:
    if known.total_chunks > values["total_chunks"]:
        top = max(result_statements.indices(connection, known.job_id), default=-1)
        if top >= values["total_chunks"]:
            raise StateFormatError(
                "total_chunks",
                f"is {values['total_chunks']}, but chunk {top} of job {known.job_id} is complete in {path}; save it as "
                "a job of its own (another job_id), or clear() this one first",
            )
    if not values["metadata"] and not says_metadata:
        values = {name: value for name, value in values.items() if name != "metadata"}
    if replace:
        job_statements.update_job(connection, known.job_id, path, **values)
    job_statements.make_newest(connection, known.job_id, values["file_name"])
    if not known.is_current:
        job_statements.make_current(connection, known.job_id)


def _encoded(job_id: str, index: int, result: Any) -> tuple[str, str]:
    try:
        text = json_text.encode(thaw(result), name="result")
    except InvalidResultError as error:
        raise InvalidResultError(error.reason, path=error.path, job_id=job_id, chunk_index=index) from error
    return text, result_digest.digest(job_id, index, text)


def _as_loaded(state: ProcessingState, held: JobRecord, results: dict[int, Any], to_redo: list[int]) -> ProcessingState:
    """Return a state that was saved as the store gives it back."""
    rest = sorted(set(state.completed_chunks) - results.keys())
    return state_from(
        held, completed=[*results, *rest], results=list(results.values()), to_redo=to_redo, config=state.config
    )


_RUN_AGAIN: Final = Statement(
    lambda: (
        jobs.update()
        .where(jobs.c.job_id == bindparam("in_job"), jobs.c.status != JobStatus.PAUSED.value)
        .values(status=JobStatus.RUNNING.value, updated_at=not_back(bindparam("at")))
    )
)


def complete_and_run(connection: sqlite3.Connection, completion: Completion) -> None:
    """Record a chunk of a job that is not running, and let the job run again unless somebody paused it.

    Raises:
        ChunkOutOfOrder: the job is sequential, and a chunk before this one is not complete.
    """
    _require_order(connection, completion.job_id, completion.chunk_index)
    more = record(connection, completion, is_work=True)
    if more is not None:
        count(connection, completion.job_id, more, completion.completed_at)
    if not finish_if_done(connection, completion.job_id):
        _RUN_AGAIN.run(connection, in_job=completion.job_id, at=completion.completed_at)


_IS_SEQUENTIAL: Final = Statement(
    lambda: select(jobs.c.job_id).where(jobs.c.job_id == bindparam("in_job"), jobs.c.sequential == literal_column("1"))
)


def _require_order(connection: sqlite3.Connection, job_id: str, index: int) -> None:
    if not index or _IS_SEQUENTIAL.run(connection, in_job=job_id).fetchone() is None:
        return
    if not result_statements.completed_in(connection, job_id, index - 1, index):
        done = result_statements.completed_in(connection, job_id, 0, index)
        raise ChunkOutOfOrder(job_id, index, min(set(range(index)) - set(done)))
