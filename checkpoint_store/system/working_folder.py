"""Absolute paths, also in a program whose working folder was removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreTargetError

if TYPE_CHECKING:
    import os

_GONE: Final = (
    "it is a relative path, and the working folder, from which it leads, was removed: change into another folder, or "
    "give an absolute path"
)


def absolute(path: str | os.PathLike[str], use: str = "as a store") -> Path:
    """Return an absolute path. An absolute one needs no working folder.

    Raises:
        StoreTargetError: the path is relative, and the working folder was removed. ``use`` is what the path is for.
    """
    try:
        return Path(path).absolute()
    except FileNotFoundError as error:
        raise StoreTargetError(path, _GONE, use) from error
