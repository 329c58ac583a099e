"""The claims of one store object: one object for each job, whichever thread asks first."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from weakref import ref

from checkpoint_store.execution.claims.claimed_chunk import is_vain
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from weakref import ReferenceType

    from checkpoint_store.execution.claims.claims import Claims


class ClaimsByJob(ForkAware):
    """Claims by their job, as long as anyone refers to them. Safe to share between threads.

    Two objects for one job would be two runners, and a completion through one would not know the claims of the other.
    """

    def __init__(self) -> None:
        self._refers: dict[str, ReferenceType[Claims]] = {}
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: nobody holds the lock."""
        self._lock = threading.RLock()
        """Held while claims are made."""

    def __len__(self) -> int:
        return sum(refers() is not None for refers in list(self._refers.values()))

    def at_hand(self, job_id: str) -> Claims | None:
        """Return the claims of a job; None if none were made. Each completion calls this."""
        refers = self._refers.get(job_id)
        return None if refers is None else refers()

    def of(self, job_id: str, make: Callable[[], Claims]) -> Claims:
        """Return the claims of a job; make them if none were made before."""
        with self._lock:
            claims = self.at_hand(job_id)
            if claims is None:
                for gone in [key for key, refers in list(self._refers.items()) if refers() is None]:
                    del self._refers[gone]
                claims = make()
                self._refers[job_id] = ref(claims)
        return claims

    @contextmanager
    def none_begins(self) -> Iterator[None]:
        """Let no work on a claimed chunk begin in this block.

        The opening of a job may complete a claimed chunk, which no loop has begun, with the result of another job.
        """
        with ExitStack() as locks:
            for claims in [refers() for refers in list(self._refers.values())]:
                if claims is not None:
                    locks.enter_context(claims.settling_late.lock)
            yield

    def free_completed(self, job_id: str) -> None:
        """Free the claimed chunks of a job that are complete by now. Call this in a block in which none begins."""
        claims = self.at_hand(job_id)
        if claims is not None:
            waiting = [chunk for chunk in list(claims.in_hand.values()) if not chunk.begun and not chunk.is_yielded]
            claims.release([chunk for chunk in waiting if is_vain(claims.storage, job_id, chunk.index)])
