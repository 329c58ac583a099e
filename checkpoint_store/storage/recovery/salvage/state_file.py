"""Read a state file as a copy of its store, whole or torn."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.state import ProcessingState, in_utc
from checkpoint_store.model.torn_state import read_torn
from checkpoint_store.storage.recovery.salvage.copies import UNKNOWN_TIME, Copy
from checkpoint_store.storage.recovery.salvage.store_file import JOB_COLUMNS, unread_in
from checkpoint_store.storage.state_fields import columns_of

if TYPE_CHECKING:
    from pathlib import Path


UNSAID: Final = frozenset({"sequential"})
"""The columns of ``jobs`` that were given by somebody, and that no state file has."""


def read_state(path: Path) -> Copy:
    """Return what a state file knows.

    Raises:
        OSError: the file cannot be read.
        StateFormatError: the file is torn, or no state file.
    """
    state = ProcessingState.from_json(path.read_bytes())
    copy = Copy(f"the state file {path.name}", state=True)
    copy.jobs[state.job_id], copy.unread[state.job_id] = _job_values(state), UNSAID
    results = state.results()
    for index in state.completed_chunks:
        copy.chunk(state.job_id, index, in_utc(state.updated_at)).proven = False
        if index in results:
            _add_result(copy, state.job_id, index, thaw(results[index]))
    if state.redo_chunks:
        mark = {"asked_at": in_utc(state.updated_at), "after_attempt": 0}
        copy.facts["chunk_redos", state.job_id] = dict.fromkeys(state.redo_chunks, mark)
    return copy


def _job_values(state: ProcessingState) -> dict[str, Any]:
    completed = len(state.completed_chunks)
    return {
        **columns_of(state),
        "job_id": state.job_id,
        "completed_count": completed,
        "updated_at": in_utc(state.updated_at),
        "chunks_digest": None,
        "stretch_started_at": in_utc(state.updated_at),
        "stretch_completed_count": completed,
        "is_current": 1,
        "superseded_by": None,
        "fingerprint_rule": 1,
        "sequential": 0,
    }


def read_torn_state(path: Path) -> Copy:
    """Return what the beginning of a torn state file knows; an empty copy where its beginning does not read."""
    copy = Copy(f"the torn state file {path.name}", complete=False, state=True, torn=True)
    torn = None
    with suppress(OSError):
        torn = read_torn(path.read_bytes())
    if torn is None:
        return copy
    values = dict.fromkeys(JOB_COLUMNS) | {name: torn.head[name] for name in torn.head if name in JOB_COLUMNS}
    values |= {"status": "paused", "config": "{}", "started_at": UNKNOWN_TIME, "updated_at": UNKNOWN_TIME}
    values |= {"stretch_started_at": UNKNOWN_TIME, "is_current": 1, "fingerprint_rule": 1, "sequential": 0}
    completed = len(torn.completed_chunks)
    values |= {"completed_count": completed, "stretch_completed_count": completed}
    if not unread_in(values) <= {"job_number"}:
        return copy
    job_id = torn.head["job_id"]
    copy.jobs[job_id] = values
    for index in torn.completed_chunks:
        copy.chunk(job_id, index, UNKNOWN_TIME).proven = False
    for index, result in torn.results:
        _add_result(copy, job_id, index, result)
    return copy


def _add_result(copy: Copy, job_id: str, index: int, result: Any) -> None:
    chunk = copy.chunks[job_id][index]
    chunk.text = json_text.encode(result)
    chunk.digest = result_digest.digest(job_id, index, chunk.text)
