"""A store that is thrown away, in the place of a store file that is not there."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.cli.options import sibling_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER: Final = ".checkpoint-store-stand-in-"
"""How the folder's name begins: a store in it leaves paid results that are not recorded yet to the store itself."""


@contextmanager
def stand_in(store_path: Path, folder: Path | None = None) -> Iterator[CheckpointStore]:
    """Yield a store of that name, with what opening it would bring back from the copies beside the missing file.

    Args:
        store_path: the store file, which is missing.
        folder: where the store is made; None is the folder for temporary files.

    Raises:
        CheckpointStoreError: the copies make no store, as for the store itself.
    """
    copies = [sibling_of(store_path, ".json"), sibling_of(store_path, ".bak")]
    copies += store_path.parent.glob(f"{glob.escape(store_path.name)}.backup-*")
    with (
        tempfile.TemporaryDirectory(prefix=_FOLDER, dir=folder) as trial,
        warnings.catch_warnings(),
    ):
        for copy in copies:
            if copy.is_file():
                shutil.copyfile(copy, Path(trial) / copy.name)
        warnings.simplefilter("ignore")  # the store itself says what it brings back
        with CheckpointStore(Path(trial) / store_path.name, durability="process") as store:
            yield store


def open_or_create(store_path: str, first: Callable[[CheckpointStore], object] | None) -> CheckpointStore:
    """Open the store; create it only once ``first`` has worked on a store that is thrown away, of the same name.

    So the error of a file that cannot be taken in, or of a job that cannot be begun, leaves no empty store behind.
    """
    path = Path(store_path)
    is_new = not os.path.lexists(path) and os.access(path.parent, os.W_OK)  # else opening says what is wrong
    if first is not None and is_new:
        with ExitStack() as stack:
            try:
                trial = stack.enter_context(stand_in(path, path.parent))
            except CheckpointStoreError:  # the store itself raises it, with its own path
                return CheckpointStore(store_path)
            first(trial)
    return CheckpointStore(store_path)
