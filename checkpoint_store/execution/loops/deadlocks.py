"""Waits that would never end: a loop in a loop, a close or an opening that waits for the work that waits for it."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.attempt import jobs_worked_on_here, threads_at_work
from checkpoint_store.system.log import log
from checkpoint_store.system.threads import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType


_WAITING: Final = frozenset({threading.Thread.join.__code__, Future.result.__code__, Future.exception.__code__})
"""The functions in which a thread waits for their ``self``: a thread, or a future."""


def work_waits_for_this_thread(jobs: Collection[str] | None = None) -> bool:
    """Whether a thread that works on a chunk waits for this thread or its future, directly or through other threads.

    ``jobs``: only the work on chunks of these jobs counts, if they are given.
    """
    frames = sys._current_frames()  # the stacks of all threads; a debugger reads them, too
    at_work, this = threads_at_work(jobs), threading.get_ident()
    waited_for = _ends_with(this, frames[this])
    others = {ident: frame for ident, frame in frames.items() if ident != this}
    while True:
        waiting = [ident for ident, frame in others.items() if _waits_for(frame, waited_for)]
        if not waiting:
            return False
        if not at_work.isdisjoint(waiting):
            return True
        for ident in waiting:
            waited_for |= _ends_with(ident, others.pop(ident))


def _ends_with(ident: int, frame: FrameType) -> set[int]:
    """Return the ids of the objects that are done when a thread ends: the thread, and the future that it works for."""
    ends = {id(thread) for thread in threading.enumerate() if thread.ident == ident}
    for inner in stack(frame):
        if inner.f_code.co_name == "run":  # the run() of a work item of concurrent.futures.thread
            future = getattr(inner.f_locals.get("self"), "future", None)
            ends |= {id(future)} if isinstance(future, Future) else set()
    return ends


def _waits_for(frame: FrameType, ends: set[int]) -> bool:
    waiting_in: Iterator[Any] = (inner.f_locals.get("self") for inner in stack(frame) if inner.f_code in _WAITING)
    return any(id(waits_for) in ends for waits_for in waiting_in)


def refuse_nested(job_id: str, method: str) -> None:
    """Refuse a loop over a job inside of the work on one of its chunks: it would wait for that chunk for ever."""
    if job_id in jobs_worked_on_here():
        remedy = f"is worked on by the very call that asks for {method}(), which would wait for itself for ever"
        raise InvalidArgumentError("job", job_id, f"{remedy}: return the result from fn, or open another job")


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
