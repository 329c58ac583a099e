"""The columns of the tables, and their readers. A test compares them with the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.statements import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store.storage.statements.rows import Readers

READERS: Final[Mapping[str, Readers]] = {
    "attempts": rows.ATTEMPT,
    "runners": rows.RUNNER,
    "completed_chunks": rows.COMPLETED,
    "chunk_handles": rows.HANDLE,
    "chunk_keys": rows.KEY,
    "chunk_redos": rows.REDO,
}
"""The readers of the rows about a job, by table."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    **{table: tuple(dict.fromkeys(("job_id", *readers))) for table, readers in READERS.items()},
    "jobs": tuple(name for name in rows.JOB if name != "redo_count"),
    "runners": tuple(rows.RUNNER),
    "completed_chunks": ("job_id", *rows.COMPLETED, "result_id"),
    "chunk_results": ("result_id", "job_id", "chunk_index", "result", "digest"),
    "deleted_jobs": ("job_id", "deleted_at"),
    "pauses": ("pause_id", "job_id", "asked_at", "cleared_at"),
}
"""The names of the columns, by table."""
