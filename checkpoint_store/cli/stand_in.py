"""A temporary store in the place of a store file that does not exist."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
import tempfile
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store import CheckpointStore, CheckpointStoreError, StorageUnavailableError
from checkpoint_store.cli.options import sibling_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BACKUP: Final = re.compile(r"\.backup-\d+\.\d+-(\d+)")
_FOLDER: Final = ".checkpoint-store-stand-in-"
"""How the folder's name begins: a store in it leaves paid results that are not recorded yet to the store itself."""

_EMPTY_SECONDS_MAX: Final = 60.0
"""A stand-in may be empty, and not locked yet, for this long."""


@contextmanager
def stand_in(store_path: Path, folder: Path | None = None) -> Iterator[CheckpointStore]:
    """Yield a store of the same name, with what opening it would bring back from the copies beside the missing file.

    It is made in the folder for temporary files if ``folder`` is None. Copies that make no store raise its error.
    """
    if folder is None:
        _sweep(Path(tempfile.gettempdir()))
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        try:
            trial = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER, dir=folder)))
            trial.chmod(0o700)  # a umask can take rights from the owner, too
            with suppress(OSError):  # a file system without locks
                stack.enter_context(_locked(trial))  # first: a sweep leaves an empty folder a while
            for copy in _copies_of(store_path):
                shutil.copyfile(copy, trial / copy.name)
                shutil.copymode(copy, trial / copy.name)  # no store takes in what others may write to
        except OSError as error:
            raise StorageUnavailableError(store_path, f"its copies cannot be tried: {error.strerror}") from error
        warnings.simplefilter("ignore")  # the store itself says what it brings back
        yield stack.enter_context(CheckpointStore(trial / store_path.name, durability="process"))


def _copies_of(store_path: Path) -> list[Path]:
    """Return the files beside a store that opening it takes in; of its automatic backups the newest.

    The others may have gigabytes.
    """
    numbered = [
        (int(match[1]), path)
        for path in store_path.parent.glob(f"{glob.escape(store_path.name)}.backup-*")
        if (match := _BACKUP.fullmatch(path.name.removeprefix(store_path.name)))
    ]
    backups = [path for _, path in sorted(numbered)[-1:]]
    wal = store_path.with_name(f"{store_path.name}-wal")  # without its file, it may have the newest results
    copies = (wal, sibling_of(store_path, ".json"), sibling_of(store_path, ".bak"), *backups)
    return [*(path for path in copies if path.is_file()), *unrecorded_beside(store_path)]


def unrecorded_beside(store_path: Path) -> list[Path]:
    """Return the files beside a store with paid results that the next open for writing takes in."""
    named = store_path.parent.glob(f"{glob.escape(store_path.name)}.unrecorded-*")
    return sorted(path for path in named if path.is_file() and not path.is_symlink())


def _sweep(folder: Path) -> None:
    """Remove the stand-ins that killed commands left in a folder: they have copies of results."""
    for trial in folder.glob(f"{_FOLDER}*"):
        with suppress(OSError):  # it is gone by now, or nobody may look into it
            status = trial.lstat()
            seconds = time.time() - status.st_mtime
            is_mine = os.geteuid() in (0, status.st_uid)
            if is_mine and (seconds > _EMPTY_SECONDS_MAX or any(trial.iterdir())):
                with _locked(trial):
                    shutil.rmtree(trial, ignore_errors=True)


@contextmanager
def _locked(trial: Path) -> Iterator[None]:
    """Lock the folder of a stand-in in this block; ``OSError`` where its command is at work."""
    descriptor = os.open(trial, os.O_RDONLY | os.O_DIRECTORY)  # rmtree removes nothing behind a symlink
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def open_or_create(store_path: str, first: Callable[[CheckpointStore], object] | None) -> CheckpointStore:
    """Open the store; create it only once ``first`` has worked on a store that is thrown away, of the same name.

    So the error of a file that cannot be taken in, or of a job that cannot be begun, leaves no empty store behind.
    """
    path = Path(store_path)
    _sweep(path.parent)
    is_new = not os.path.lexists(path) and os.access(path.parent, os.W_OK)  # else opening says what is wrong
    if first is not None and is_new:
        with ExitStack() as stack:
            try:
                trial = stack.enter_context(stand_in(path, path.parent))
            except CheckpointStoreError:  # the store itself raises it, with its own path, or can do without the copy
                return CheckpointStore(store_path)
            first(trial)
    return CheckpointStore(store_path)
