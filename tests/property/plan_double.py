"""What the original plan's state manager does, written anew: one JSON file, as simple as that. For comparison only."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class PlanState:
    """The plan's state: fields that are assigned, lists that are appended to."""

    def __init__(self, **fields: Any) -> None:
        self.job_id: str = fields["job_id"]
        self.status: str = fields.get("status", "pending")
        self.file_name: str = fields.get("file_name", "")
        self.video_title: str = fields.get("video_title", "")
        self.model: str = fields.get("model", "")
        self.provider: str = fields.get("provider", "")
        self.total_chunks: int = fields.get("total_chunks", 0)
        self.completed_chunks: list[int] = fields.get("completed_chunks", [])
        self.processed_results: list[Any] = fields.get("processed_results", [])
        self.error_message: str | None = fields.get("error_message")
        self.config: dict[str, Any] = fields.get("config", {})

    @property
    def is_resumable(self) -> bool:
        return self.status in ("running", "paused") and len(self.completed_chunks) < self.total_chunks


class PlanManager:
    """The plan's manager: each call reads the file and writes it whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> PlanState | None:
        for path in (self.path, self.path.with_suffix(".bak")):
            if path.exists() or path != self.path:
                try:
                    return PlanState(**json.loads(path.read_text()))
                except (json.JSONDecodeError, FileNotFoundError):
                    continue
            else:
                return None
        return None

    def save(self, state: PlanState) -> None:
        if self.path.exists():
            self.path.with_suffix(".bak").write_text(self.path.read_text())
        self.path.write_text(json.dumps(copy.deepcopy(state.__dict__), indent=2))

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".bak").unlink(missing_ok=True)

    def has_incomplete_job(self) -> bool:
        state = self.load()
        return state is not None and state.is_resumable

    def update_chunk_complete(self, index: int, result: Any) -> None:
        state = self.load()
        if state:
            if index not in state.completed_chunks:
                state.completed_chunks.append(index)
            state.processed_results.append(result)
            state.status = "running"
            self.save(state)

    def set_status(self, status: str, error: str | None = None) -> None:
        state = self.load()
        if state:
            state.status = status
            state.error_message = error
            self.save(state)
