"""The comparison of a backup with the store by content, not by bytes or time."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.recovery.salvage.sqlite_siblings import ALONE, open_copy

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase

_CONTENT: Final = (
    # How many chunks are complete stands here, so that nearly every difference is found in this small table.
    """
    SELECT job_id, status, file_name, video_title, model, provider, total_chunks, completed_count, error_message,
      config, chunks_digest, is_current, superseded_by,
      metadata, sequential
    FROM jobs ORDER BY job_number
    """,
    "SELECT job_id FROM deleted_jobs ORDER BY job_id",
    """
    SELECT job_id, chunk_index, number, outcome, counted, is_last FROM attempts
    WHERE outcome IN ('failed', 'abandoned') ORDER BY job_id, chunk_index, number
    """,
    "SELECT job_id, chunk_index, digest FROM completed_chunks ORDER BY job_id, chunk_index",
    "SELECT job_id, chunk_index, key FROM chunk_keys ORDER BY job_id, chunk_index",
    "SELECT job_id, chunk_index, handle FROM chunk_handles ORDER BY job_id, chunk_index",
    "SELECT job_id, chunk_index FROM chunk_redos ORDER BY job_id, chunk_index",
)
"""The content that matters in a backup. The times of a job that was only opened do not."""


def holds_the_same(database: AnyDatabase, backup: Path) -> bool:
    """Return whether a backup of the same schema, which no process has open, has all that the store has, and no more.

    Results are compared by their digests.
    """
    try:
        with closing(open_copy(backup, ALONE)) as copy:
            return database.read(
                lambda own: all(_digest(own, statement) == _digest(copy, statement) for statement in _CONTENT)
            )
    except UNREADABLE:
        return False


def _digest(connection: sqlite3.Connection, statement: str) -> bytes:
    rows_digest = hashlib.sha256()
    for row in connection.execute(statement):
        rows_digest.update(repr(row).encode())
    return rows_digest.digest()
