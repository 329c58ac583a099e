"""The opening of a plan waits for the calls in flight of a loop, unless these calls wait for the opening."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from checkpoint_store.execution.loops.deadlocks import work_waits_for_this_thread
from checkpoint_store.model.attempt import threads_at_work
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_WAIT_SECONDS_MAX: Final = 600.0
"""An opening waits no longer than this: a call may have no end, or need a lock that the program holds meanwhile."""


class SettledLoop(Protocol):
    """A loop whose calls in flight are waited for."""

    @property
    def job_id(self) -> str:
        """The id of its job."""

    def settle_between_steps(self, goes_on: Callable[[], bool]) -> None:
        """Record the calls in flight, one after another, for as long as ``goes_on()`` says so."""


class Settling:
    """The openings that wait for calls in flight. Safe to share between threads."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        """Held while an opening looks at the others, and begins to wait."""
        self._waits: list[tuple[Collection[SettledLoop], SettledLoop]] = []
        """For each opening that waits: the loops that need its thread, and the loop whose calls it waits for."""

    def settle(self, loop: SettledLoop, need_this_thread: Collection[SettledLoop]) -> None:
        """Wait for the calls that a loop has in flight, unless they wait for this thread, directly or not.

        ``need_this_thread``: the loops whose work this thread does. Their calls end after this wait.
        """
        wait = (need_this_thread, loop)
        try:
            with self._guard:
                if not self._waited_for_by(loop).isdisjoint(need_this_thread):
                    log.info("job %s: its calls in flight wait for the opening of another plan", loop.job_id)
                    return
                self._waits.append(wait)
            loop.settle_between_steps(_Patience(loop.job_id, partial(self._jobs_waited_for, loop)).goes_on)
        finally:
            with suppress(ValueError):  # it did not begin to wait
                self._waits.remove(wait)

    def _jobs_waited_for(self, loop: SettledLoop) -> set[str]:
        """Return the jobs whose calls in flight an opening waits for if it waits for the calls of a loop."""
        with self._guard:
            return {waited_for.job_id for waited_for in self._waited_for_by(loop)}

    def _waited_for_by(self, loop: SettledLoop) -> set[SettledLoop]:
        """Return the loops for which the calls in flight of a loop wait, the loop itself included."""
        waited_for, count = {loop}, 0
        while len(waited_for) > count:
            count = len(waited_for)
            waited_for |= {target for waiting, target in self._waits if not waited_for.isdisjoint(waiting)}
        return waited_for


class _Patience:
    """How long one opening waits for one loop."""

    def __init__(self, job_id: str, jobs_waited_for: Callable[[], set[str]]) -> None:
        self._job_id, self._jobs_waited_for, self._until = job_id, jobs_waited_for, 0.0

    def goes_on(self) -> bool:
        """Return whether the opening waits on, and log that it waits, or why it waits no longer."""
        if not self._until:
            log.info("job %s: another plan of its file opens, and waits for the calls in flight", self._job_id)
            self._until = time.monotonic() + _WAIT_SECONDS_MAX
        if time.monotonic() > self._until:
            why = f"the calls in flight have not ended after {_WAIT_SECONDS_MAX:.0f} s"
        elif threads_at_work() and work_waits_for_this_thread(self._jobs_waited_for()):
            why = "a call in flight waits for it"
        else:
            return True
        log.warning(
            "job %s: another plan of its file opens without the results of the calls in flight, whose chunks that plan "
            "pays for again: %s",
            *(self._job_id, why),
        )
        return False
