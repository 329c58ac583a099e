"""How a store is closed: its loops end first, and what was paid for is recorded before the file is let go of."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError

if TYPE_CHECKING:
    from checkpoint_store.execution.execution import Room


def close(room: Room) -> None:
    """Close a store; see :meth:`CheckpointStore.close`."""
    if room.loops.are_in_the_way:
        room.loops.stop()
        # The process does not end before this thread does.
        threading.Thread(target=_close, args=(room,), name="checkpoint-store close", daemon=False).start()
    else:
        _close(room)


def _close(room: Room) -> None:
    with room.loops.closing:
        if room.database.closed:
            return
        try:
            room.loops.end()
        finally:
            _put_away(room)


def _put_away(room: Room) -> None:
    try:
        try:
            room.record_what_was_kept()
        finally:
            for claims in list(room.runners):
                claims.close()
        if room.state_file is not None:
            room.state_file.write_if_behind()
    finally:
        room.database.close()
        room.loops.is_closed = True


def close_in_finalizer(room: Room) -> None:
    """Close a store that nobody refers to any more; what cannot be recorded is a warning."""
    try:
        close(room)
    except CheckpointStoreError as error:
        warnings.warn(told(error), RuntimeWarning, stacklevel=3)
    except Exception:
        if not sys.is_finalizing():  # then parts of the library may be gone already
            raise


def told(error: BaseException) -> str:
    """Return what an error says, its notes included."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])
