"""The claims of one store object: one object for each job, whichever thread asks first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import ref

from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Callable
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

    def free_along(self) -> None:
        """Free the chunks that completions claimed for loops which have not asked for them yet.

        The opening of a job may complete a chunk with the result of another job. A loop claims an incomplete one again.
        """
        for refers in list(self._refers.values()):
            claims = refers()
            if claims is not None:
                claims.along.free_all(claims.release)
