"""The error for a store file that is no longer there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageUnavailableError

if TYPE_CHECKING:
    from pathlib import Path


_GONE: Final = "the file is no longer there, or another one is in its place"


def is_gone(error: StorageUnavailableError) -> bool:
    """Whether an error says that the store file is no longer there: the store object can record nothing any more."""
    return error.reason == _GONE


def gone(path: Path) -> StorageUnavailableError:
    """Return the error for a store file that was removed, or replaced by another file, while it is open."""
    return StorageUnavailableError(
        path,
        _GONE,
        "If it was moved, put it back: what was recorded is in it. If it was deleted, close the store everywhere and "
        "open it again: it is made anew from its copies (state file, backups), and a warning says what came back.",
    )
