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
    """Whether a chunk needs no further try: it is complete, and not to be done again.

    Returns False if the store cannot be read: a loop looks at the chunk before the try. A late result that equals the
    result from before the redo was asked for answers no redo, so the chunk may still be one to do again.
    """
    try:
        return storage.completed_in(job_id, index, index + 1) > 0
    except CheckpointStoreError as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: whether another try is needed is not known")
        return False


class LateSettlement:
    """Lets no work begin while a thread records late results, and no longer than that."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while a late result is recorded, and while it is noted that work begins."""
        self._holder: int | None = None
        self._afterwards: list[Callable[[], None]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock in this block; then make the calls given to :meth:`afterwards`, without it. Not reentrant."""
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
