"""The handle of a claimed chunk: once nobody refers to it, the chunk is free."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims


class ClaimHandle:
    """Keeps a chunk claimed for as long as someone refers to the handle. Its finalizer frees the chunk."""

    __slots__ = ("_chunk", "_claims")

    def __init__(self, claims: Claims, chunk: ClaimedChunk) -> None:
        self._claims, self._chunk = claims, chunk

    def __del__(self) -> None:
        chunk = getattr(self, "_chunk", None)
        if chunk is None:  # an interrupt came before the handle had its chunk
            return
        try:
            if not self._claims.in_hand.holds(chunk):
                return
            chunk.dropped = True  # before the chunk is free: its loop may ask meanwhile
            if _runs_event_loop():  # which may wait neither for the disk nor for another process
                threading.Thread(target=self._claims.release, args=([chunk],), daemon=True).start()
            else:
                self._claims.release([chunk])
        except Exception as error:  # a finalizer may stand anywhere in the caller's program
            log_suppressed(error, f"chunk {chunk.index} was not freed by its finalizer")


def _runs_event_loop() -> bool:
    """Return whether an event loop of asyncio runs in this thread."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
