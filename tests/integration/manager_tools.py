"""What the tests of manager share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from checkpoint_store import ProcessingState

if TYPE_CHECKING:
    import pytest

    from checkpoint_store import StateManager

MOMENT = "2025-03-01T10:00:00+00:00"


def a_state(**changes: Any) -> ProcessingState:
    values = {"file_name": "lecture.srt", "total_chunks": 3, "job_id": "job-1", "config": {"chunk_size": 2000}}
    values["status"] = "running"
    return ProcessingState(**values | changes)


def old_state(**changes: Any) -> dict[str, Any]:
    """What the JSON-only version wrote."""
    return {
        "version": "1.0",
        "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
        "status": "running",
        "file_name": "lecture.srt",
        "video_title": "Größe",
        "model": "m",
        "provider": "p",
        "total_chunks": 5,
        "completed_chunks": [0, 1],
        "processed_results": [
            {"chunk_index": 0, "cleaned_text": "A"},
            {"chunk_index": 1, "cleaned_text": "B"},
        ],
        "started_at": MOMENT,
        "updated_at": MOMENT,
        "error_message": None,
        "config": {"chunk_size": 2000},
    } | changes


def loaded(manager: StateManager) -> ProcessingState:
    """The state of the current job, which there is."""
    state = manager.load()
    assert state is not None
    return state


def sort_both(data: dict[str, Any]) -> None:
    """Sort the chunks and their results alike."""
    pairs = sorted(zip(data["completed_chunks"], data["processed_results"], strict=True))
    data["completed_chunks"], data["processed_results"] = map(list, zip(*pairs, strict=True))


def reverse_both(data: dict[str, Any]) -> None:
    """Let the newest chunk stand first, and its result, too."""
    data["completed_chunks"].reverse()
    data["processed_results"].reverse()


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings in the log."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
