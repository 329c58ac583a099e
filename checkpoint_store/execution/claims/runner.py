"""The runner of a store object for one job: it is registered in the store, exclusive or not, and ends.

A runner is alive while it holds its lock; no clock decides that. The chunks that a killed runner had claimed are free
at once. A runner whose machine sleeps keeps the chunks that it has claimed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop
    from checkpoint_store.storage.records.records import Claim, ClaimSearchResult
    from checkpoint_store.storage.verbs.claims import ClaimStorage

_PROBE_INTERVAL_SECONDS_MIN: Final = 0.1
"""Skip the liveness probe of another runner for this many seconds after a probe found it alive."""


class OwnRunner:
    """The runner of one job. It is registered while a loop needs it, a chunk is claimed, or the job is exclusive.

    Registering and ending are called with the lock of the claims held; what only reads needs no lock.
    """

    def __init__(self, storage: ClaimStorage, job_id: str) -> None:
        self._storage = storage
        self._job_id = job_id
        self.forget()

    def forget(self) -> None:
        """Become unregistered, without loops: at the beginning, and in a forked child."""
        self.runner_id: int | None = None
        """The number of the runner in the store; None while it is not registered."""
        self.is_exclusive = False
        """Whether this runner is exclusive: no other runner may work on the job."""
        self._seen_alive: dict[int, float] = {}
        """When another runner was last found alive, on the monotonic clock, by runner id."""
        self.loops: set[ClaimingLoop] = set()
        """The loops that need this runner. A finalizer may take a loop out: no lock is waited for."""

    @property
    def is_registered(self) -> bool:
        """Whether the store knows this runner, and that it is alive."""
        return self.runner_id is not None

    def register(self, *, exclusive: bool) -> int:
        """Register this runner unless it is registered; return its id. Durable when this returns."""
        if self.runner_id is None:
            self.runner_id = self._storage.runners.register(self._job_id, exclusive=exclusive)
            self.is_exclusive = exclusive
        elif exclusive:
            self._storage.runners.make_exclusive(self._job_id, self.runner_id)
            self.is_exclusive = True
        return self.runner_id

    def end(self, *, begun: Collection[Claim], only_if_free: bool) -> None:
        """Record the runner's end. Its ``begun`` claims are in doubt, the others free. Durable when this returns."""
        if self.runner_id is not None:
            self._storage.runners.end(self._job_id, self.runner_id, begun=begun, only_if_free=only_if_free)

    def drop(self) -> None:
        """Give up the lock and the id of the runner. Others see from the free lock that the runner has ended."""
        runner_id, self.runner_id, self.is_exclusive = self.runner_id, None, False
        if runner_id is not None:
            self._storage.runners.drop(runner_id)

    # -- its loops

    def look_for_pause(self) -> None:
        """Let each loop ask the store for a pause before it starts its next chunk."""
        for loop in list(self.loops):
            loop.looked_for_pause_at = float("-inf")

    @property
    def loop_threads(self) -> list[int]:
        """The thread that drives each loop that needs this runner, by its identifier."""
        return [loop.driven_by for loop in list(self.loops)]

    def has_running_loop(self, *, but_this_thread: bool) -> bool:
        """Whether a thread that is alive drives a loop of this runner; ``but_this_thread``: another thread."""
        living = {thread.ident for thread in threading.enumerate()}
        if but_this_thread:
            living.discard(threading.get_ident())
        return not living.isdisjoint(self.loop_threads)

    def may_end(self, *, look: bool) -> bool:
        """Whether no loop needs this runner, and it is not exclusive.

        With ``look``, read the store: an exclusive runner may end, too, if the job is completed.
        """
        if self.runner_id is None or self.loops:
            return False
        return not self.is_exclusive or (look and self.is_dispensable())

    def is_dispensable(self) -> bool:
        """Whether this runner is not exclusive, or the job is completed. Reads the store for an exclusive runner."""
        return not self.is_exclusive or self._storage.is_completed(self._job_id)

    # -- the other runners

    def trusted_runner_ids(self) -> frozenset[int]:
        """Return the runners that were found alive a moment ago: they need not be probed again."""
        since = time.monotonic() - _PROBE_INTERVAL_SECONDS_MIN
        return frozenset(runner_id for runner_id, seen_at in self._seen_alive.items() if seen_at > since)

    def note_alive(self, search: ClaimSearchResult) -> None:
        """Note which runners a search found alive."""
        if search.has_reaped:
            self._seen_alive.clear()
        self._seen_alive.update(dict.fromkeys(search.alive_runner_ids, time.monotonic()))

    def forget_probes(self) -> None:
        """Let the next search probe every runner that it meets."""
        self._seen_alive.clear()
