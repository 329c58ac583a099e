"""The open loops on the jobs of one store: closing the store stops them, and waits for their results.

Each step of a loop holds the loop's lock. While the caller has an item in hand, another thread can end the loop.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar
from weakref import WeakSet

from checkpoint_store.errors import JobPaused, StorageUnavailableError, StoreClosed
from checkpoint_store.execution.claims.chunk_queue import acting_thread
from checkpoint_store.execution.loops.deadlocks import Settling
from checkpoint_store.execution.loops.left_loops import LeftLoops
from checkpoint_store.model.attempt import jobs_worked_on_here
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log, log_suppressed
from checkpoint_store.system.threads import has_main_thread_ended, innermost_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_END: Final = object()
_WITH_TRANSACTIONS: Final = tuple(f"{__name__.partition('.')[0]}.{room}." for room in ("storage", "state_file"))
"""The rooms whose functions hold a lock that no thread takes twice. They call no loop."""


class StoppableLoop(Protocol[T_co]):
    """A loop that can be stopped. A loop whose chunks are its caller's has no work in flight: it takes the defaults."""

    def run(self) -> Iterator[T_co]:
        """Yield the items of the loop. When it is closed, it waits for the work in flight, and records the results."""

    def stop(self) -> None:
        """Start no further chunk; called from any thread."""

    def forget(self) -> None:
        """After a fork, in the child: forget the work in flight, which is the parent's."""
        return  # a body: otherwise the method would be abstract

    def settle(self) -> bool:
        """Record what ends within a moment; return whether more is in flight. The loop goes on. No error is raised."""
        return False


class Loops(ForkAware):
    """The loops of one store. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._is_closing = False
        self.is_closed = False
        """Whether nothing can be recorded any more: nobody waits for what is in flight."""
        self.at_exit: Callable[[], None] = self.end
        """The function that the end of the process calls for this store."""
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: forget the loops, which are the parent's."""
        self._running: set[RunningLoop[Any]] = set()
        self.left: LeftLoops = LeftLoops()
        """The loops that were left before their end."""
        self._settling: Settling = Settling()
        self._guard = threading.RLock()
        """Held while a loop enters: so the loop is stopped with the others, or sees that the store is being closed."""
        self.closing = threading.RLock()
        """Held by the thread that closes the store."""

    def enter(self, loop: RunningLoop[Any]) -> None:
        """Note that a loop begins, or raise :class:`StoreClosed`. The store is not garbage-collected before its end."""
        with self._guard:
            # While the interpreter ends, no other thread closes the store.
            if self._is_closing and not sys.is_finalizing():
                raise StoreClosed(self.path)
            self._running.add(loop)
        self.left.forget(loop.job_id)
        _end_at_exit(self)

    def leave(self, loop: RunningLoop[Any]) -> None:
        """Note that a loop has ended."""
        self._running.discard(loop)

    @property
    def would_deadlock(self) -> bool:
        """Whether this thread would wait for itself if it waited for the end of the loops."""
        return any(loop.needs_this_thread for loop in list(self._running))

    def stop(self) -> None:
        """Let no loop begin, and no open loop start a further chunk."""
        with self._guard:
            self._is_closing = True
        for loop in list(self._running):
            loop.stop()

    def settle(self, concerns: Callable[[str], bool]) -> None:
        """Record what the waiting loops of jobs have in flight, where ``concerns`` says so, given the job's id."""
        for loop in [loop for loop in list(self._running) if concerns(loop.job_id)]:
            self._settling.settle(loop, [other for other in list(self._running) if other.needs_this_thread])

    def end_abandoned(self) -> None:
        """End the loops with which nobody goes on: a loop that waits for their chunks would wait for ever."""
        for loop in list(self._running):
            if loop.is_abandoned:
                loop.end_between_steps()

    def end(self) -> None:
        """Stop the loops, wait for the work in flight, and record the results. A Ctrl-C ends the wait."""
        self.stop()
        problem: Exception | None = None
        for loop in list(self._running):
            if loop.is_driven_here:
                self.left.note_closed(loop.job_id)
            try:
                loop.end()
            except Exception as error:  # whatever the error of a loop is, the other loops are waited for
                problem = problem or error
        if problem is not None:
            raise problem


class RunningLoop(ForkAware, Generic[T]):
    """One loop of a store: one thread runs it, and another thread may end it."""

    def __init__(
        self,
        loops: Loops,
        job_id: str,
        loop: StoppableLoop[T],
        *,
        serves_this_thread: Callable[[], bool] = lambda: False,
        is_orphaned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._loops = loops
        self.job_id: Final = job_id
        self._loop = loop
        self._serves_this_thread, self._is_orphaned = serves_this_thread, is_orphaned
        self._under_way: Iterator[T] | None = None
        self._next: list[T] = []
        self._inside: int | None = None
        """The thread that makes a step."""
        self._driven_by = acting_thread()
        """The thread of the caller, who made the last step."""
        self._is_stopped, self._process = False, os.getpid()
        self._lock = threading.RLock()
        """Held while a step is made."""
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: begin with a free lock and without the parent's loop."""
        self._lock = threading.RLock()
        self._inside = None
        self._loop.forget()

    def run(self) -> Iterator[T]:
        """Yield the items until the loop ends. :class:`StoreClosed`, if it was closed, has all in hand recorded."""
        self._loops.enter(self)
        try:
            self._under_way = self._loop.run()
            while True:  # no `while condition`: an interrupt at its jump would skip `finally` (python/cpython#130279)
                if not self._step():
                    break
                yield self._next.pop()  # no reference is kept: a chunk that nobody refers to is free
        except GeneratorExit:
            self._loops.left.note_left(self.job_id)
            raise
        finally:
            self._inside = None  # an interrupt may have come before _step() could say so
            self._leave()

    def _step(self) -> bool:
        """Make the next item ready; False at the end."""
        with self._lock:
            if self._process != os.getpid():
                reason = "this loop belongs to the parent of this forked process"
                raise StorageUnavailableError(self._loops.path, reason, "Begin another loop in this process.")
            assert self._under_way is not None
            self._inside, self._driven_by = threading.get_ident(), acting_thread()
            try:
                item: Any = next(self._under_way, _END)
            except (JobPaused, StoreClosed) as error:
                if self._is_stopped:
                    raise self._closed() from error
                raise
            finally:
                self._inside = None
        if item is not _END:
            self._next.append(item)
            return True
        if self._is_stopped:
            raise self._closed()
        return False

    def _closed(self) -> StoreClosed:
        reason = "this store was closed while a loop was under way (what the loop had in hand was recorded)"
        return StoreClosed(self._loops.path, reason)

    @property
    def needs_this_thread(self) -> bool:
        """Whether this thread works for this loop: if it waited for the loop's end, it would wait for itself."""
        is_inside = self._inside == threading.get_ident()
        return is_inside or self.job_id in jobs_worked_on_here() or self._serves_this_thread()

    @property
    def is_driven_here(self) -> bool:
        """Whether the caller of this loop is in this thread."""
        return self._driven_by == acting_thread()

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody goes on with this loop: its event loop is closed, or the main thread ran it, and has ended.

        If another thread ran it and has ended, a third thread may go on with it.
        """
        return self._is_orphaned() or (self._driven_by == threading.main_thread().ident and has_main_thread_ended())

    def stop(self) -> None:
        """Start no further chunk, because the store is being closed."""
        self._is_stopped = True
        self._loop.stop()

    def end(self) -> None:
        """Wait for the current step, then for the work in flight, and record the results."""
        with self._lock:
            # The garbage collector may end the generator first, and this object after it.
            is_ending = getattr(self._under_way, "gi_running", False)
            if self._under_way is not None and self._process == os.getpid() and not is_ending:
                self._under_way.close()  # type: ignore[attr-defined]
        self._loops.leave(self)

    def settle_between_steps(self, goes_on: Callable[[], bool]) -> None:
        """Record what this loop has in flight while ``goes_on()`` says so, unless a thread makes a step of it."""
        if self._process != os.getpid() or not self._lock.acquire(blocking=False):
            return
        try:
            while True:
                if not (self._loop.settle() and goes_on()):
                    break
        finally:
            self._lock.release()

    def end_between_steps(self) -> None:
        """Record the results of this loop, and end it, unless a thread makes a step of it. An error is logged."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._inside is None:
                log.warning("job %s: a loop is ended, because nobody goes on with it", self.job_id)
                self.stop()
                self.end()
        except Exception as error:  # whatever the error of that loop is
            log_suppressed(error, f"job {self.job_id}: the end of a loop with which nobody goes on")
        finally:
            self._lock.release()

    def _leave(self) -> None:
        # A garbage collection may call this in the middle of the work, or of a transaction, whose locks the end needs.
        if self.needs_this_thread or innermost_module(_WITH_TRANSACTIONS, callers=1) is not None:
            with suppress(RuntimeError):  # the interpreter ends, and so does this thread
                threading.Thread(target=self.end, name="checkpoint-store loop").start()
        else:
            self.end()


_open_stores: Final[WeakSet[Loops]] = WeakSet()


def _end_at_exit(loops: Loops) -> None:
    """End these loops with the process. Exit handlers run in reverse order: what was imported before is still there."""
    if not _open_stores:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _open_stores.add(loops)


def _end_all() -> None:
    """End the loops of every store, even if those of another store end with an error, or a warning that is an error."""
    problem: Exception | None = None
    for loops in list(_open_stores):
        try:
            loops.at_exit()
        except Exception as error:  # raised below
            problem = problem or error
    if problem is not None:
        raise problem
