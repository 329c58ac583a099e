"""The files beside a store that nothing needs: surplus backups, files moved aside, and what killed commands left."""

from __future__ import annotations

import stat
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.checks.integrity import MISCOUNTED
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, open_copy
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.files import stand_ins
from checkpoint_store.storage.files.names import STAND_IN_FOLDER, moved_at
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.files import remove_file
from checkpoint_store.system.log import log, log_unread
from checkpoint_store.system.paths import status_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.model.reports import PruneRequest


_NEWEST_KEPT: Final = 2
"""How many of the newest automatic backups of each schema version stay, whatever is in them."""


def surplus(backups: Sequence[Path], is_sound: Callable[[Path], bool]) -> list[Path]:
    """Return the backups that nothing needs.

    The newest two stay, and for each result the newest that has it sound. A store whose results are damaged, and
    not its structure, is backed up as it is: its backups do not push out the last one that has a sound result.

    Args:
        backups: the backups to choose from, newest first.
        is_sound: :func:`has_sound_results`, or what remembers its answers.
    """
    older = backups[_NEWEST_KEPT:]
    if not older:
        return []
    needed = set() if is_sound(backups[0]) else _needed(backups)
    return [backup for backup in older if backup not in needed]


def _needed(backups: Sequence[Path]) -> set[Path]:
    """Return each backup with a sound result that is damaged in each newer backup.

    A result that the newest backup with the right counts does not have is no longer in the store: nothing needs it.
    Each backup that is newer than that one is needed. Only damaged results are listed: a million may be sound.
    """
    needed: set[Path] = set()
    damaged: set[_Result] | None = None
    """The results of the store that no backup so far has sound; None before the newest backup with the right counts."""
    for backup in backups:
        try:
            with closing(open_copy(backup, ALONE)) as copy:
                if damaged is not None:
                    mended = {result for result, is_sound in _results(copy) if is_sound and result in damaged}
                    is_needed, damaged = bool(mended), damaged - mended
                else:
                    is_needed = True
                    if not _is_miscounted(copy):
                        damaged = {result for result, is_sound in _results(copy) if not is_sound}
        except UNREADABLE as error:
            log_unread(backup, error)
            continue
        if is_needed:
            needed.add(backup)
        if damaged is not None and not damaged:
            break
    return needed


def has_sound_results(backup: Path) -> bool:
    """Whether a backup, which no process has open, has each result that it counts, with its digest."""
    try:
        with closing(open_copy(backup, ALONE)) as copy:
            # No result is kept: there may be a million.
            is_sound = not _is_miscounted(copy) and all(is_sound for _, is_sound in _results(copy))
    except UNREADABLE as error:
        log_unread(backup, error)
        return False
    if not is_sound:
        log.warning("the backup %s has a damaged result: the newest backup that has it sound is kept", backup)
    return is_sound


_Result = tuple[str, int]
"""A job and a chunk that has a result."""


def _is_miscounted(copy: sqlite3.Connection) -> bool:
    return copy.execute(MISCOUNTED).fetchone() is not None


def _results(copy: sqlite3.Connection) -> Iterator[tuple[_Result, bool]]:
    """Yield each result of a backup, and whether it is sound."""
    for job_id, index, text, digest in copy.execute("SELECT job_id, chunk_index, result, digest FROM chunk_results"):
        yield (job_id, index), isinstance(text, str) and result_digest.digest(job_id, index, text) == digest


def prunable_files(
    path: Path, state_files: Sequence[Path], request: PruneRequest, *, with_jobs: bool
) -> list[tuple[Path, int]]:
    """Return the files that a request deletes, each with its size in bytes. Backups alone are opened, to read them.

    ``with_jobs``: whether jobs are deleted. Every automatic backup is deleted then, because it has these jobs; so is
    what a killed command left.
    """
    beside = Siblings(path)
    aside = [file for file in beside.aside(*state_files) if request.is_old(moved_at(file) or _changed_at(file))]
    backups = beside.backups()
    trials = [folder for folder in stand_ins.left_of(path) if with_jobs or request.is_old(_changed_at(folder))]
    unneeded = backups if with_jobs else surplus(backups, has_sound_results)
    gone = [file for file in unneeded if with_jobs or request.is_old(_changed_at(file))]
    files = [(file, size) for file in (*aside, *gone) if (size := size_of(file)) is not None]
    return [*files, *((folder, stand_ins.size_bytes(folder)) for folder in trials)]


def _changed_at(path: Path) -> datetime:
    status = status_of(path, follow_symlinks=False)
    return datetime.now(UTC) if status is None else datetime.fromtimestamp(status.st_mtime, UTC)


def size_of(path: Path) -> int | None:
    """Return the size of a regular file; None for anything else, which no store has made."""
    status = status_of(path, follow_symlinks=False)
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files, and the folders of stand-ins; one that is gone already is fine."""
    for path in paths:
        if path.name.startswith(STAND_IN_FOLDER):
            stand_ins.remove(path)
        else:
            remove_file(path)
            log.info("%s was pruned", path)
