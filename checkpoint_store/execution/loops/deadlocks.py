"""Refuse work on a chunk that would wait for itself: a loop in a loop, and a close in the work that it waits for."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.attempt import jobs_worked_on_here, threads_at_work
from checkpoint_store.system.threads import stack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
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
