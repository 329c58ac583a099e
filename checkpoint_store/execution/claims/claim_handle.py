"""The handle of a claimed chunk: once nobody refers to it, the chunk is free."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.system.log import log, log_suppressed, warn_caller

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims

_WORKED_ON_SECONDS: Final = 0.2
"""A chunk that the body of a loop had for this long was worked on; a shorter time is a look at it."""


class ClaimHandle:
    """Keeps a chunk claimed for as long as someone refers to the handle. Its finalizer frees the chunk."""

    __slots__ = ("_chunk", "_claims")

    def __init__(self, claims: Claims, chunk: ClaimedChunk) -> None:
        self._claims, self._chunk = claims, chunk
        chunk.is_yielded = True

    def __del__(self) -> None:
        try:
            if not self._claims.in_hand.holds(self._chunk):
                return
            self._chunk.dropped = True  # before the chunk is free: its loop may ask meanwhile
            if _runs_event_loop():  # which may wait neither for the disk nor for another process
                threading.Thread(target=self._claims.release, args=([self._chunk],), daemon=True).start()
            else:
                self._claims.release([self._chunk])
            self._warn_of_lost_work()
        except Exception as error:  # a finalizer may stand anywhere in the caller's program
            log_suppressed(error, f"chunk {self._chunk.index} was not freed by its finalizer")

    def _warn_of_lost_work(self) -> None:
        """Warn, once in a loop, of a chunk that was worked on while its loop goes on without its result."""
        loop, seconds = self._chunk.loop, time.monotonic() - self._chunk.since
        if seconds < _WORKED_ON_SECONDS or not loop.is_active or loop.has_warned:
            return
        loop.has_warned = True
        message = (
            f"chunk {self._chunk.index} of job {self._claims.job_id} was worked on for {seconds:.1f} s, and no result "
            "is recorded: the program let go of the chunk without chunk.complete(result) or chunk.fail(error). The "
            "next run does the chunk again, and pays for it again."
        )
        log.warning("%s", message)
        warn_caller(message, RuntimeWarning)


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
