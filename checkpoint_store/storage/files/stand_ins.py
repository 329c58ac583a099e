"""The stand-ins that killed commands left: folders with copies of a store's files, and so of results.

A command that would begin a store, or that plans a run, tries it first on a stand-in: a store that is thrown away. The
folder of the stand-in is locked as long as the command lives, and the kernel frees the lock whatever ends the command.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageUnavailableError
from checkpoint_store.storage.files.names import STAND_IN_FOLDER
from checkpoint_store.system.files import storage_errors
from checkpoint_store.system.guarded_open import GUARDS
from checkpoint_store.system.log import log, log_suppressed

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMPTY_SECONDS_MAX: Final = 60.0
"""A stand-in may be empty, and not locked yet, for this long."""
_UNLOCKED_SECONDS_MAX: Final = 24 * 3600.0
"""Where no folder can be locked, as on Windows, a stand-in is left over after this time."""


@contextmanager
def stand_in_folder(folder: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yield a new folder for a store that is thrown away; the folder goes with all that is in it when the block ends.

    If the process is killed in the block, :func:`remove_stand_ins` removes the folder later, and so does whoever prunes a
    store beside it or deletes a job of one. A store in the folder leaves results that are not recorded yet to the store
    that it stands in for.

    Args:
        folder: where the folder is made; None is the folder for temporary files.

    Raises:
        OSError: the folder cannot be made.
    """
    with (
        tempfile.TemporaryDirectory(prefix=STAND_IN_FOLDER, dir=folder) as name,
        _taken(Path(name)),  # before anything is in it: a sweep leaves an empty folder a while
    ):
        yield Path(name)


def remove_stand_ins(folder: str | os.PathLike[str] | None = None) -> None:
    """Remove the stand-ins that killed processes of this user left in a folder: they have copies of results.

    Args:
        folder: the folder; None is the folder for temporary files.
    """
    for trial in left_over(Path(tempfile.gettempdir() if folder is None else folder)):
        try:
            remove(trial)
        except StorageUnavailableError as error:
            log_suppressed(error, f"{trial}: a stand-in could not be removed")


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
    """Remove a stand-in and all files in it, unless a command uses it. One that is gone already is fine.

    Raises:
        StorageUnavailableError: it cannot be removed.
    """
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
        if is_filled and (os.name == "nt" or os.geteuid() in (0, status.st_uid)):
            with _taken(trial) as is_taken:
                return is_taken
    return False


@contextmanager
def _taken(trial: Path) -> Iterator[bool]:
    """Hold the lock of a stand-in, and yield whether it is held: False where a command uses it, or it is gone."""
    if sys.platform == "win32":
        yield time.time() - trial.lstat().st_mtime > _UNLOCKED_SECONDS_MAX
        return
    try:
        descriptor = os.open(trial, os.O_RDONLY | os.O_DIRECTORY | GUARDS)
    except OSError:
        yield False
        return
    try:
        yield _is_locked_now(descriptor)
    finally:
        os.close(descriptor)


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
