"""The files beside a store that nothing needs: moved aside, surplus backups, and what killed commands left."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checkpoint_store.storage.files import stand_ins
from checkpoint_store.storage.files.names import STAND_IN_FOLDER, moved_at
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.surplus_backups import has_sound_results, surplus
from checkpoint_store.system.files import remove_file
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from checkpoint_store.model.prune_report import PruneRequest


def prunable_files(
    path: Path, state_files: Sequence[Path], request: PruneRequest, *, with_jobs: bool
) -> list[tuple[Path, int]]:
    """Return the files that a request deletes, each with its size in bytes. Backups alone are opened, to read them.

    Args:
        path: the store file.
        state_files: its state file, and the one before, wherever they are.
        request: the request of the prune.
        with_jobs: whether jobs are deleted. Every automatic backup is deleted then, because it has these jobs; so is
            what a killed command left.
    """
    beside = Siblings(path)
    aside = [file for file in beside.aside(*state_files) if request.is_old(moved_at(file) or _changed_at(file))]
    backups = beside.backups()
    trials = [folder for folder in stand_ins.left_of(path) if with_jobs or request.is_old(_changed_at(folder))]
    unneeded = backups if with_jobs else surplus(backups, has_sound_results)
    gone = [file for file in unneeded if with_jobs or request.is_old(_changed_at(file))]
    files = [(file, size) for file in (*aside, *gone) if (size := _size_of(file)) is not None]
    return [*files, *((folder, stand_ins.size_bytes(folder)) for folder in trials)]


def _changed_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except OSError:
        return datetime.now(UTC)


def _size_of(path: Path) -> int | None:
    """Return the size of a regular file; None for anything else, which no store has made."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files, and the folders of stand-ins; one that is gone already is fine.

    Raises:
        StorageUnavailableError: one cannot be removed. Those before it are gone.
    """
    for path in paths:
        if path.name.startswith(STAND_IN_FOLDER):
            stand_ins.remove(path)
        else:
            remove_file(path)
            log.info("%s was pruned", path)
