"""What the tests of manager share."""

from __future__ import annotations

from typing import Any

from checkpoint_store import ProcessingState

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
