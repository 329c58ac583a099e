"""Which automatic backups nothing needs: newer backups are there, and the results in one of them are sound."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.checks.integrity import MISCOUNTED
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, open_copy
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.system.log import log, log_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

_NEWEST_KEPT: Final = 2
"""How many of the newest automatic backups of each schema version stay, whatever is in them."""


def surplus(backups: Sequence[Path]) -> list[Path]:
    """Return the backups that nothing needs; ``backups``: the backups to choose from, newest first.

    The newest two stay, and the newest whose results are sound. A store whose results are damaged, and not its
    structure, is backed up as it is: its backups do not push out the last one that has the sound results.
    """
    older = backups[_NEWEST_KEPT:]
    if not older:
        return []
    newest_sound = next(filter(_has_sound_results, backups), None)
    return [backup for backup in older if backup != newest_sound]


def _has_sound_results(backup: Path) -> bool:
    """Whether a backup, which no process has open, has each result that it counts, with its digest."""
    try:
        with closing(open_copy(backup, ALONE)) as copy:
            is_sound = copy.execute(MISCOUNTED).fetchone() is None and _have_their_digests(copy)
    except UNREADABLE as error:
        log_unread(backup, error)
        return False
    if not is_sound:
        log.warning("the backup %s has a damaged result: an older backup, which has it sound, is kept", backup)
    return is_sound


def _have_their_digests(copy: sqlite3.Connection) -> bool:
    results = copy.execute("SELECT job_id, chunk_index, result, digest FROM chunk_results")
    return all(
        isinstance(text, str) and result_digest.digest(job_id, index, text) == digest
        for job_id, index, text, digest in results
    )
