"""A full disk, without one: what the store and the files beside it take."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StorageFullError
from checkpoint_store.storage.files import unrecorded as unrecorded_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkpoint_store import CheckpointStore


@contextmanager
def full_disk(store: CheckpointStore) -> Iterator[None]:
    """Let the disk of this store be full: neither the store nor a file in its folder takes a result."""
    write, folder = unrecorded_files.write, store.path.parent

    def full(path: Path, results: Any) -> None:
        if path.parent == folder:
            raise StorageFullError(path, "No space left on device", 0)
        write(path, results)

    def refuse(*_: object) -> None:
        raise StorageFullError(store.path, "No space left on device", 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unrecorded_files, "write", full)
        patch.setattr(store._context.storage.group_commit, "submit", refuse)  # type: ignore[union-attr]
        yield
