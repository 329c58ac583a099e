"""Write a whole state into the store in one transaction; unchanged parts are not written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidResultError, JobBusy, StateFormatError
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.codec.json_text import is_same_result, unchanged
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.state.pairing import chunk_of_each, may_be_left_over, other_pairings, pairing_as_stored
from checkpoint_store.model.state.state import PAIRED_BY_OWN_INDEX, ProcessingState, in_utc
from checkpoint_store.model.store_file import WITHOUT_METADATA
from checkpoint_store.storage.records.data_version import data_version_of
from checkpoint_store.storage.records.records import Completion, Known
from checkpoint_store.storage.records.saved_state import Before, Saved, Written
from checkpoint_store.storage.records.state_fields import columns_of, state_from
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.attempts.liveness import is_alive
from checkpoint_store.storage.statements.attempts.runners import runners_at_work
from checkpoint_store.storage.statements.completions import record
from checkpoint_store.storage.statements.job_rows import finish_if_done, finish_if_left_running
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import stretch
from checkpoint_store.storage.statements.jobs.replaced_job import passed_over, replaced_by

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.storage.records.data_version import DataVersion
    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.records.saved_state import Looked


_HELD_TEXT_BYTES_MAX: Final = 64 * 1024 * 1024
"""The most characters of result texts that are kept in memory beside the state."""


def load(connection: sqlite3.Connection, record: JobRecord, path: Path, data_version: DataVersion | None) -> Known:
    """Return the content of a job in the store; ``data_version`` was read before this snapshot."""
    texts = [text for page in result_statements.result_texts(connection, record.job_id, path) for text in page]
    state = result_statements.state_of(connection, record, texts)
    return Known(data_version, state, _if_few(texts), result_statements.digests(connection, record.job_id))


def _if_few(texts: Sequence[str]) -> Sequence[str] | None:
    return texts if sum(map(len, texts)) <= _HELD_TEXT_BYTES_MAX else None


def save(connection: sqlite3.Connection, state: ProcessingState, path: Path, *, replace: bool) -> JobRecord:
    """Make the job in the store equal to ``state``, and current. Completed chunks and results of the store stay.

    With ``replace`` a result of the state replaces another result, and ``updated_at`` of the job is now. Without it
    another result is an error, and the times are those of the state.
    """
    _write(connection, state, path, Before(result_statements.digests(connection, state.job_id)), replace=replace)
    return job_statements.find_job(connection, state.job_id, path)


def save_changes(
    connection: sqlite3.Connection, state: ProcessingState, path: Path, known: Known | None, looked: Looked
) -> Saved:
    """:meth:`save` with ``replace`` for a caller that saves again and again: only changes are compared and written.

    ``known`` is the content that the caller got last; it counts if nothing was committed since. If another job became
    current in the place of the caller's job, the state is recorded, and does not become current. An earlier result that
    the caller got, and that was replaced since, does not come back.
    """
    other, earlier = replaced_by(connection, state.job_id, looked, path), passed_over(connection, state, path)
    if known is not None and (known.state.job_id != state.job_id or known.data_version != data_version_of(connection)):
        known = None
    state = _paired(connection, state, path, known, looked)
    if known is None:
        is_own = looked.own_job_id == state.job_id
        answered = set() if is_own else redos.answered(connection, state.job_id, state.redo_chunks)
        before = Before(result_statements.digests(connection, state.job_id), (), looked.given, answered)
        written = _write(connection, state, path, before, replace=True, is_current=other is None)
    else:
        old, new = known.state.results(), state.results()
        before = Before(known.digests, unchanged(old, new), looked.given)
        written = _write(connection, state, path, before, replace=True, is_current=other is None)
        written = written._replace(texts=dict(zip(old, known.texts or (), strict=False)) | written.texts)
    recorded = _known(connection, state, path, before, written)
    return Saved(recorded, other, written.agreed_digests, written.outdated, written.over, earlier)


def _known(
    connection: sqlite3.Connection, state: ProcessingState, path: Path, before: Before, written: Written
) -> Known | None:
    """Return the content of the job in the store after this transaction; None if it differs from the state."""
    results = state.results()
    with_result = {index for index, digest in before.digests.items() if digest is not None}
    says_all = before.digests.keys() <= set(state.completed_chunks) and with_result <= results.keys()
    if written.outdated or not says_all:
        return None
    texts = written.texts
    record = job_statements.find_job(connection, state.job_id, path)
    texts_kept = _if_few([texts[index] for index in results]) if texts.keys() >= results.keys() else None
    to_redo = redos.indices(connection, state.job_id) if record.redo_count else []
    return Known(data_version_of(connection), _as_loaded(state, record, results, to_redo), texts_kept, written.digests)


def _paired(
    connection: sqlite3.Connection, state: ProcessingState, path: Path, known: Known | None, looked: Looked
) -> ProcessingState:
    """Return a state in which new results belong to new chunks, and each earlier result to its own.

    The caller may have appended to the lists of a loaded state, or sorted them, and left ``result_indices`` alone. If
    every chunk has a result, positions pair them; if a chunk has none, positions are wrong. ``result_indices`` of the
    caller's own decide.
    """
    completed, results, indices = state.completed_chunks, state.processed_results, state.result_indices
    by_own = state.version in PAIRED_BY_OWN_INDEX
    paired = chunk_of_each(completed, results, indices, by_own_index=by_own)
    others = other_pairings(completed, results, paired)
    is_short = not indices and 0 < len(results) < len(completed)
    is_sorted = (bool(others) or indices != completed[: len(indices)]) and indices == sorted(indices)
    record = (
        job_statements.find_exact(connection, state.job_id, path) if known is None and (is_short or is_sorted) else None
    )
    if record is not None:
        known = load(connection, record, path, None)
    if known is None or not (is_short or is_sorted):
        return state
    if is_short:
        lists = {"completed_chunks": completed, "processed_results": results}
        after = known.state.replace(total_chunks=state.total_chunks, **lists)
        return state.replace(result_indices=after.result_indices)
    stored = known.state.results()
    if not may_be_left_over(indices, stored):
        return state
    was_given, names_each = partial(looked.was_given, state.job_id), len(indices) == len(results)
    if (kept := pairing_as_stored(stored, results, paired, others, was_given, names_each=names_each)) is not None:
        return state if kept is paired else state.replace(result_indices=kept)
    raise StateFormatError(
        "result_indices",
        "gives a result to another chunk than the store does: let it name the chunk of each result, or leave it out "
        "and put completed_chunks and processed_results in the same order",
    )


def _write(
    connection: sqlite3.Connection,
    state: ProcessingState,
    path: Path,
    before: Before,
    *,
    replace: bool,
    is_current: bool = True,
) -> Written:
    """Write the parts that the store lacks. ``is_current``: the job becomes the current and newest one."""
    moment = now() if replace else in_utc(state.updated_at)
    values = columns_of(state) | {"updated_at": moment}
    known, digests = job_statements.find_exact(connection, state.job_id, path), before.digests
    if known is None:
        begun = {"stretch_started_at": now(), "stretch_completed_count": len(state.completed_chunks)}
        job_statements.insert_job(connection, values | {"job_id": state.job_id, "completed_count": 0} | begun)
    else:
        if replace and all(index in digests for index in state.completed_chunks):  # no work is recorded
            values |= stretch.changes_now(connection, state.job_id, path)
        says_metadata = state.version not in WITHOUT_METADATA
        _update(connection, known, values, path, replace=replace, says_metadata=says_metadata)
        if is_current:
            job_statements.make_newest(connection, known.job_id, state.file_name)
            if not known.is_current:
                job_statements.make_current(connection, known.job_id)
    written = _write_results(connection, state, before, moment, replace=replace)
    # A chunk that is complete here may have been done again since the state was written.
    asked = [index for index in state.redo_chunks if index not in digests]
    redos.mark(connection, state.job_id, dict.fromkeys(asked, moment))
    job_statements.recount(connection, state.job_id)
    if not replace:  # a saved state sets the status itself
        # Complete a job that the import makes whole, or that is whole since the run which wrote the state file.
        adds_chunks = known is not None and not digests.keys() >= set(state.completed_chunks)
        (finish_if_done if adds_chunks else finish_if_left_running)(connection, state.job_id)
    return written


def _write_results(
    connection: sqlite3.Connection, state: ProcessingState, before: Before, moment: str, *, replace: bool
) -> Written:
    digests = before.digests
    results, to_redo = state.results(), set(state.redo_chunks)
    written = Written({}, dict(digests), [], [], [])
    for index in state.completed_chunks:
        if index in before.unchanged:
            continue
        text, digest = None, None
        if index in results:
            text, digest = _encoded(state.job_id, index, results[index])
            written.texts[index] = text
        if index not in digests or digest not in (None, digests[index]):
            is_earlier = digest in before.stale or index in before.answered
            if is_earlier and digests.get(index) is not None:
                written.outdated.append(index)
                continue
            # If the state has another result for a chunk of its redo_chunks, this is the new result.
            is_redo = replace and index in to_redo
            cost = None if is_redo else 0.0
            completion = Completion(state.job_id, index, moment, text, digest, replace=replace, earlier_cost=cost)
            record(connection, completion, is_work=is_redo)
            if digests.get(index) is not None and digests[index] not in before.stale:
                written.over.append(index)
        if digest is not None:
            written.agreed_digests.append(digest)
        written.digests[index] = digest or digests.get(index)
    return written


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
        if changed := _changed_plan(known, values):
            _refuse_at_work(connection, known.job_id, path, changed)
        job_statements.update_job(connection, known.job_id, path, **values)


def _changed_plan(known: JobRecord, values: Mapping[str, Any]) -> list[str]:
    """Return the fields of a job's plan that a saved state changes. More chunks of the same plan change none."""
    names = ("file_name", "model", "provider")
    changed = [name for name in names if (values[name] or None) != (getattr(known, name) or None)]
    if not is_same_result(values["config"], json_text.encode(known.config, name="config")):
        changed.append("config")
    return [*changed, "total_chunks"] if values["total_chunks"] < known.total_chunks else changed


def _refuse_at_work(connection: sqlite3.Connection, job_id: str, path: Path, changed: Sequence[str]) -> None:
    """Refuse to change the plan of a job while a loop works on it, whose results are made for the plan that it has.

    A program that records its chunks by a manager alone is no runner: it may change what it likes.
    """
    for runner in runners_at_work(connection, job_id):
        if is_alive(path, runner):
            busy = JobBusy(job_id, runner.pid, runner.host, runner.started_at, runner.runner_id)
            fields = ", ".join(changed)
            busy.add_note(f"The state that was to be saved changes its {fields}, and its results are made for another.")
            raise busy


def _encoded(job_id: str, index: int, result: Any) -> tuple[str, str]:
    try:
        text = json_text.encode(thaw(result), name="result")
    except InvalidResultError as error:
        raise InvalidResultError(error.reason, path=error.path, job_id=job_id, chunk_index=index) from error
    return text, result_digest.digest(job_id, index, text)


def _as_loaded(
    state: ProcessingState, record: JobRecord, results: dict[int, Any], to_redo: list[int]
) -> ProcessingState:
    """Return a state that was saved as the store gives it back."""
    rest = sorted(set(state.completed_chunks) - results.keys())
    return state_from(
        record, completed=[*results, *rest], results=list(results.values()), to_redo=to_redo, config=state.config
    )
