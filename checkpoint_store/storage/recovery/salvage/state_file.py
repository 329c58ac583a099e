"""Rows out of a state file, torn or whole."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.recovery.salvage.copies import Copy
from checkpoint_store.storage.recovery.salvage.store_file import _JOB_COLUMNS, _sound_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_torn_state(path: Path, name: str) -> Copy:
    """Return what the beginning of a state file says that we wrote and that does not read as a whole.

    It has one line for each result, so those before the first line that does not read are in their places.
    """
    copy = Copy(name, complete=False, state=True, torn=True)
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        lines = iter(path.read_bytes().split(b"\n"))
        next(lines)
        head = _torn_head(lines)
        job_id, completed = head["job_id"], head["completed_chunks"]
        if not all(type(index) is int and 0 <= index < head["total_chunks"] for index in completed):
            return copy
        values = dict.fromkeys(_JOB_COLUMNS) | {name: head[name] for name in _HEAD if name in _JOB_COLUMNS}
        values |= {"status": "paused", "config": "{}", "started_at": _UNKNOWN_TIME, "updated_at": _UNKNOWN_TIME}
        values |= {"stretch_started_at": _UNKNOWN_TIME, "is_current": 1}
        values |= {"completed_count": len(completed), "stretch_completed_count": len(completed)}
        if not _sound_job(values):
            return copy
        copy.jobs[job_id] = values
        for index in completed:
            copy.chunk(job_id, index, _UNKNOWN_TIME).proven = False
        _torn_results(lines, job_id, completed, copy)
    return copy


_UNKNOWN_TIME: Final = "1970-01-01T00:00:00.000Z"
_HEAD: Final = "version job_id status file_name video_title model provider total_chunks completed_chunks".split()


def _torn_head(lines: Iterator[bytes]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    for name in _HEAD:
        line = next(lines, b"").decode().strip().removesuffix(",")
        ((key, value),) = json.loads("{" + line + "}").items()
        if key != name:
            raise ValueError(name)
        head[name] = value
    return head


def _torn_results(lines: Iterator[bytes], job_id: str, completed: list[int], copy: Copy) -> None:
    if next(lines, b"").strip() != b'"processed_results": [':
        return
    for index, line in zip(completed, lines, strict=False):
        if line[:4] != b"    ":
            return
        # A line cut off behind a whole number would read as another number: only a comma, or the end, closes it.
        if not line.endswith(b",") and line[-1:] not in b'}]"':
            return
        result = json.loads(line.decode().removesuffix(","))
        chunk = copy.chunk(job_id, index, _UNKNOWN_TIME)
        chunk.text = json_text.encode(result)
        chunk.digest = result_digest.digest(job_id, index, chunk.text)
