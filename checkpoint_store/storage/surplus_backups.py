"""Which automatic backups nothing needs: newer backups are there, and are sound."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.recovery.integrity import MISCOUNTED
from checkpoint_store.storage.recovery.salvage.sqlite_siblings import ALONE, open_copy
from checkpoint_store.system.log import log, log_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

_KEPT: Final = 2
"""How many automatic backups of each schema version stay: the newest, and the newest that are sound."""


def surplus(backups: Sequence[Path]) -> list[Path]:
    """Return the backups that nothing needs; ``backups``: the backups to choose from, newest first.

    A store whose results are damaged, and not its structure, is backed up as it is. Its backups do not push out those
    that have the sound results.
    """
    older = backups[_KEPT:]
    if not older:
        return []
    sound = set(islice(filter(_is_sound, backups), _KEPT))
    return [backup for backup in older if backup not in sound]


def _is_sound(backup: Path) -> bool:
    """Whether a backup, which no process has open, has a sound structure, and each result that it counts."""
    try:
        with closing(open_copy(backup, ALONE)) as copy:
            is_sound = (
                copy.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
                and copy.execute(MISCOUNTED).fetchone() is None
                and _has_sound_results(copy)
            )
    except UNREADABLE as error:
        log_unread(backup, error)
        return False
    if not is_sound:
        log.warning("the backup %s is damaged: an older backup, which is sound, is kept beside it", backup)
    return is_sound


def _has_sound_results(copy: sqlite3.Connection) -> bool:
    results = copy.execute(
        "SELECT r.job_id, r.chunk_index, r.result, r.digest, c.digest FROM chunk_results r "
        "LEFT JOIN completed_chunks c ON c.job_id = r.job_id AND c.chunk_index = r.chunk_index"
    )
    return all(
        isinstance(text, str) and result_digest.digest(job_id, index, text) == own == beside
        for job_id, index, text, own, beside in results
    )
