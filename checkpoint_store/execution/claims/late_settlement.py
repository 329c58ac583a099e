"""While the late result of a chunk is recorded, no work on the chunk begins."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.storage.verbs.claims import ClaimStorage


def is_vain(storage: ClaimStorage, job_id: str, index: int) -> bool:
    """Whether another try at a chunk would be in vain: the chunk is complete, and not to be done again.

    If the store cannot be read, it is not: a loop looks at the chunk before the try. The late result that was recorded
    may be equal to the result that the chunk had before it was marked for redo. That result answers no redo.
    """
    try:
        return storage.completed_in(job_id, index, index + 1) > 0
    except CheckpointStoreError as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: whether another try is needed is not known")
        return False


class LateSettlement:
    """Holds up the begin of work while a thread records late results, and no longer than that."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while a late result is recorded, and while the begin of work is noted."""
        self._holder: int | None = None
        self._afterwards: list[Callable[[], None]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; then make the calls that were left for afterwards, without the lock. Not reentrant."""
        calls: list[Callable[[], None]] = []
        try:
            with self.lock:
                self._holder = threading.get_ident()
                try:
                    yield
                finally:
                    self._holder = None
                    calls, self._afterwards = self._afterwards, []
        finally:
            for call in calls:
                call()

    def afterwards(self, call: Callable[[], None]) -> None:
        """Make a call once this thread no longer holds the lock: now, if it does not hold the lock.

        The call may make a backup, which takes long, and hand it to a function of the caller's, which may wait for a
        loop of another thread.
        """
        if self._holder == threading.get_ident():
            self._afterwards.append(call)
        else:
            call()
