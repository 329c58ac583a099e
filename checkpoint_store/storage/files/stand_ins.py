"""The stand-ins that killed commands left: folders with copies of a store's files, and so of results.

A command that would begin a store, or that plans a run, tries it first on a stand-in: a store that is thrown away. It
locks the folder of the stand-in as long as it lives, and the kernel frees the lock whatever ends the command.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.files.names import STAND_IN_FOLDER
from checkpoint_store.system.files import GUARDS, storage_errors
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMPTY_SECONDS_MAX: Final = 60.0
"""A stand-in may be empty, and not locked yet, for this long."""


def left_of(store: Path) -> list[Path]:
    """Return the stand-ins that no command uses: all beside a store, and its own among the temporary files.

    ``plan`` makes its stand-in among the temporary files, where those of every store are.
    """
    temporary = Path(tempfile.gettempdir())
    beside = left_over(store.parent)
    own = [trial for trial in left_over(temporary) if any(_names_in(trial, store.stem))]
    return [*beside, *(trial for trial in own if trial not in beside)]


def _names_in(trial: Path, beginning: str) -> Iterator[str]:
    with suppress(OSError):
        yield from (name for name in os.listdir(trial) if name.startswith(beginning))


def left_over(folder: Path) -> list[Path]:
    """Return the stand-ins of this user in a folder that no command uses, by name. Nothing is changed."""
    with suppress(OSError):
        names = sorted(name for name in os.listdir(folder) if name.startswith(STAND_IN_FOLDER))
        return [folder / name for name in names if _is_left_over(folder / name)]
    return []


def remove(trial: Path) -> None:
    """Remove a stand-in and all files in it, unless a command uses it. One that is gone already is fine."""
    with _taken(trial) as is_taken:
        if is_taken:
            with storage_errors(trial), suppress(FileNotFoundError):
                shutil.rmtree(trial)
            log.info("%s was left behind: removed", trial)


def size_bytes(trial: Path) -> int:
    """Return the size of all files in a stand-in."""
    size = 0
    for path in trial.glob("*"):
        with suppress(OSError):
            size += path.lstat().st_size
    return size


def _is_left_over(trial: Path) -> bool:
    with suppress(OSError):
        status = trial.lstat()
        is_filled = time.time() - status.st_mtime > _EMPTY_SECONDS_MAX or any(trial.iterdir())
        if is_filled and os.geteuid() in (0, status.st_uid):
            with _taken(trial) as is_taken:
                return is_taken
    return False


@contextmanager
def _taken(trial: Path) -> Iterator[bool]:
    """Hold the lock of a stand-in, and yield whether it is held: False where a command uses it, or it is gone."""
    try:
        descriptor = os.open(trial, os.O_RDONLY | os.O_DIRECTORY | GUARDS)
    except OSError:
        yield False
        return
    try:
        yield _is_locked_now(descriptor)
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process that was forked meanwhile has it open, too
        os.close(descriptor)


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
