"""Merge a store, and be killed at a moment of it: argv are the store, the other store, the moment and how often before."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import backup
from checkpoint_store.storage.merging import chunk_rows, merge, other_store

if TYPE_CHECKING:
    from collections.abc import Callable


def killing(call: Callable[..., Any], survived: int) -> Callable[..., Any]:
    """Return a call that kills this process once it has returned so many times."""
    left = survived

    def killed(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        value = call(*arguments, **more)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return value

    return killed


MOMENTS: dict[str, tuple[Any, str]] = {
    "copying": (backup, "verify"),
    "upgrading": (other_store, "_upgrade"),
    "recording": (merge, "record"),
    "attempts": (chunk_rows, "_take_chunk"),
    "facts": (chunk_rows, "take_facts"),
    "between": (merge.log, "info"),
}
path, other, moment, times = sys.argv[1:]
module, name = MOMENTS[moment]
setattr(module, name, killing(getattr(module, name), int(times)))
with CheckpointStore(path) as store:
    store.merge(other)
print("merged")
