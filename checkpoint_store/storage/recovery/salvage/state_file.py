"""Read a state file as a copy of its store, whole or torn."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.state.state import PAIRED_BY_OWN_INDEX, ProcessingState, in_utc
from checkpoint_store.model.state.torn_state import read_torn
from checkpoint_store.storage.records.state_fields import columns_of, metadata_text
from checkpoint_store.storage.recovery.salvage.copies import UNKNOWN_TIME, Copy
from checkpoint_store.storage.recovery.salvage.store_file import IN_PLACE_OF_UNREAD, JOB_COLUMNS, unread_in
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from pathlib import Path


UNSAID: Final = frozenset({"sequential"})
"""The columns of ``jobs`` that were given by somebody, and that no state file has."""


def read_state(path: Path) -> Copy:
    """Return what a state file knows."""
    state = ProcessingState.from_json(_bytes_of(path))
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


def _bytes_of(path: Path) -> bytes:
    """Return the content of a file. A read is repeated once if the disk fails it."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        log.warning("%s: a read failed, and is repeated once: %s", path, error)
        return path.read_bytes()


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
    """Return what a torn state file still has; an empty copy where it does not say whose state it is."""
    copy = Copy(f"the torn state file {path.name}", complete=False, state=True, torn=True)
    torn = None
    with suppress(OSError):
        torn = read_torn(_bytes_of(path))
    if torn is None:
        return copy
    job_id, completed = torn.fields["job_id"], len(torn.completed_chunks)
    values = dict.fromkeys(JOB_COLUMNS) | {name: _column(name, value) for name, value in torn.fields.items()}
    values = {name: values[name] for name in JOB_COLUMNS}
    values |= {"completed_count": completed, "stretch_completed_count": completed}
    values |= {"stretch_started_at": values["updated_at"], "is_current": 1, "fingerprint_rule": 1, "sequential": 0}
    unread = unread_in(values) | (_given(torn.fields) - torn.fields.keys())
    if unread & {"job_id", "total_chunks"}:
        return copy
    in_place = IN_PLACE_OF_UNREAD | {"status": JobStatus.PAUSED.value}
    copy.jobs[job_id] = values | {name: in_place.get(name) for name in unread}
    copy.unread[job_id] = (unread - {"job_number"}) | UNSAID
    for index in torn.completed_chunks:
        copy.chunk(job_id, index, UNKNOWN_TIME).proven = False
    for index, result in torn.results:
        _add_result(copy, job_id, index, result)
    to_redo = torn.fields.get("redo_chunks")
    if isinstance(to_redo, list):
        known = {index for index in to_redo if type(index) is int and index in copy.chunks.get(job_id, ())}
        copy.facts["chunk_redos", job_id] = {index: {"asked_at": now(), "after_attempt": 0} for index in known}
    return copy


def _given(fields: dict[str, Any]) -> frozenset[str]:
    """Return the fields that a whole state of this version has, as far as a column of ``jobs`` has the name, too."""
    named = {"status", "file_name", "video_title", "model", "provider", "config"}
    named |= set() if fields.get("version") in PAIRED_BY_OWN_INDEX else {"metadata"}
    return frozenset(named | ({"error_message"} if fields.get("status") == "failed" else set()))


def _column(name: str, value: Any) -> Any:
    """Return a field of a state as the column of ``jobs`` has it; unchanged where it cannot be one."""
    with suppress(ValueError, TypeError):
        if name in ("started_at", "updated_at"):
            return in_utc(value)
        if name == "metadata":
            return metadata_text(value)
        if name in ("video_title", "model", "provider"):
            return value or None
        return json_text.encode(value) if name == "config" and isinstance(value, dict) else value
    return value


def _add_result(copy: Copy, job_id: str, index: int, result: Any) -> None:
    chunk = copy.chunks[job_id][index]
    chunk.text = json_text.encode(result)
    chunk.digest = result_digest.digest(job_id, index, chunk.text)
