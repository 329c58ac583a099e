"""A job that nobody has read anything of yet, for tests of the live line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from checkpoint_store.cli.job_snapshot import JobSnapshot


class _UnreadJob:
    completed_chunks = 0
    cost = None
    redo_text = failure_text = ""

    def refresh(self) -> None:
        """Read nothing."""

    def rate_text(self, done: int) -> str:
        """Return no rate."""
        del done
        return ""


def unread_job() -> JobSnapshot:
    """Return a snapshot that says nothing but what a run itself has counted."""
    return cast("JobSnapshot", cast("Any", _UnreadJob()))
