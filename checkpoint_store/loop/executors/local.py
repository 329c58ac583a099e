"""Executors that share this process's memory, and questions about an executor of the caller."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from checkpoint_store.errors import InvalidArgumentError, InvalidResultError, counted
from checkpoint_store.loop.executors.futures import (
    HANDED_OVER_MAX,
    QUICK_SECONDS_MAX,
    Ends,
    HandOvers,
    LockFreeFuture,
)
from checkpoint_store.loop.executors.raised import Raised, ends_the_program
from checkpoint_store.model.attempt import call_as
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from checkpoint_store.model.attempt import Attempt


ENDS_LATER: Final = object()
"""Work returns this if another thread ends its future."""


class OwnExecutor(Executor):
    """An executor of our own. Its work shares this process's memory; a hung attempt keeps no worker busy."""

    lets_work_end: Callable[[], bool] = staticmethod(lambda: True)
    """Says whether the work could end lately. If not, it has not taken too long; a loop asks again in a moment."""

    def handed_over_max(self) -> int:
        """Return how many tasks a loop hands over at once. Those that have not begun are in doubt after a kill."""
        return HANDED_OVER_MAX

    def hand_over(self) -> None:
        """Begin all submitted work; a loop calls this before it waits. An executor may begin work before."""

    def wait(self, futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
        """Wait until a future has ended, or the time is over; return whether any has ended. May return early."""
        return bool(wait(futures, timeout=timeout_seconds, return_when=FIRST_COMPLETED).done)

    def gather(self, futures: Collection[Future[Any]]) -> None:
        """Wait a moment for futures to end together if the tasks are quick: a commit costs more than they do."""

    def cancel_unknown(self, known: Collection[Future[Any]]) -> None:
        """Let no submitted work begin whose future the loop does not have, because its submission was interrupted."""

    def abandon(self, future: Future[Any]) -> None:
        """Abandon an attempt that takes too long: it goes on, and other work has its worker."""

    def cancel_orphans(self, futures: Iterable[Future[Any]], *, is_ending: bool) -> bool:
        """Cancel the futures that nobody works on any more; return whether nobody will work on a later future, either.

        A loop calls this while it waits; ``is_ending`` says whether the loop starts nothing more.
        """
        del futures, is_ending
        return False


class Inline(OwnExecutor):
    """Does the work within ``submit``, in the thread of the caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do the work, and return a future that is done. A BaseException that asks this thread to stop is raised."""
        try:
            return LockFreeFuture.ended(fn(*args, **kwargs))
        except Exception as error:  # the future carries it
            return LockFreeFuture.ended(error=error)


_Task: TypeAlias = "tuple[LockFreeFuture, Callable[..., Any], tuple[Any, ...]]"
"""Work that was submitted: its future, the function, and the arguments."""


class Threads(OwnExecutor):
    """Daemon threads: a hung attempt neither keeps the program from ending, nor keeps a worker busy.

    Work begins at :meth:`hand_over`. If each task woke a thread, that thread would want the GIL while the loop starts
    the next task. Eight quick tasks handed over together take a fifth less time: one thread does them all.
    """

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._held: deque[_Task] = deque()
        """The submitted work that has not begun, each item with its future."""
        self._missing = workers
        self._idle: deque[None] = deque()  # an element for each thread that waits for work: counting needs no lock
        self._started = 0
        self.hand_overs = HandOvers(QUICK_SECONDS_MAX / 2)
        """How many tasks to hand over at once. Who ends the future of ``ENDS_LATER`` work notes its time here."""
        self.ends: Final = Ends()  # wakes the loop

    def handed_over_max(self) -> int:
        """See :meth:`OwnExecutor.handed_over_max`."""
        return self.hand_overs.at_once_max

    def wait(self, futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
        """See :meth:`OwnExecutor.wait`."""
        return self.ends.wait(futures, timeout_seconds)

    def gather(self, futures: Collection[Future[Any]]) -> None:
        """See :meth:`OwnExecutor.gather`."""
        self.hand_overs.gather(self.ends, futures)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Do the work in a thread, from the next :meth:`hand_over` on, with a copy of the context of the caller."""
        future = LockFreeFuture()
        self.hold(future, copy_context().run, (fn, *args))
        return future

    def hold(self, future: LockFreeFuture, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Submit work with a future that exists already. If ``fn`` returns ``ENDS_LATER``, another thread ends it."""
        try:
            self._idle.pop()
        except IndexError:
            if self._missing:
                self._start_thread()
        self._held.append((future, fn, args))

    def hand_over(self) -> None:
        """Begin all that was submitted."""
        if self._held:
            with suppress(IndexError):  # raised at the end. One call of C: no interrupt loses a task in between
                deque(map(self._tasks.put, iter(self._held.popleft, None)), 0)

    def cancel_unknown(self, known: Collection[Future[Any]]) -> None:
        """See :meth:`OwnExecutor.cancel_unknown`."""
        for future, *_ in self._held:
            if future not in known:
                future.cancel()

    def _start_thread(self) -> None:
        """Start one more thread. If the system starts none, the threads that exist do the work."""
        try:
            threading.Thread(target=self._work, name="checkpoint-store map", daemon=True).start()
        except RuntimeError as error:
            if not self._started:
                reason = f"needs threads, and the system starts none ({error}); use workers=1 without timeout_seconds"
                raise InvalidArgumentError("workers", self._missing, reason) from error
            threads = counted(self._started, "thread")
            log.warning("the work of a loop is done by %s; the system starts no more: %s", threads, error)
            self._missing = 0
            return
        self._missing -= 1
        self._started += 1

    def abandon(self, future: Future[Any]) -> None:  # noqa: ARG002 - any thread may be the one that hangs
        """Let another thread replace the thread that hangs."""
        self._missing += 1

    def _work(self) -> None:
        """Do one task after the other. An exception that another thread raises here ends no more than the task in hand.

        A time limit of the caller's work may raise it too late; and a loop would wait for a lost task for ever.
        """
        in_hand: list[_Task | None] = []
        late: BaseException | None = None
        while in_hand != [None]:
            try:
                self._do_next(in_hand, late)
                late = None
            except BaseException as error:  # whatever the other thread raises
                late = error.with_traceback(None)

    def _do_next(self, in_hand: list[_Task | None], late: BaseException | None) -> None:
        """Do the task in hand, or else wait for the next task. ``late`` was raised outside of the work."""
        if late is not None:
            log.warning("a thread of a loop goes on after an exception from outside: %s", type(late).__name__)
        if not in_hand:
            in_hand.extend(map(self._tasks.get, (True,)))  # one call of C: no interrupt loses a task in between
        if in_hand[0] is None:
            return
        future, fn, args = in_hand[0]
        if future.begin():
            self._do(future, fn, args)
        elif late is not None and future.running():
            self._end(future, error=late)
        in_hand.clear()
        del future, fn, args
        self._idle.append(None)

    def _do(self, future: LockFreeFuture, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        since = time.monotonic()
        try:
            result = fn(*args)
        except BaseException as error:  # the future carries it
            self._end(future, error=error)
        else:
            if result is ENDS_LATER:
                return
            self._end(future, result)
            self.hand_overs.note(time.monotonic() - since)

    def _end(self, future: LockFreeFuture, result: Any = None, error: BaseException | None = None) -> None:
        future.end(result, error)
        self.ends.note()

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Executor's
        """Let the threads end when they have nothing to do; wait for none."""
        for _ in range(self._started):
            self._tasks.put(None)


@dataclass(frozen=True, slots=True)
class Unstorable:
    """A result that cannot be stored. Its error holds the result, or a readable copy once it was sent here."""

    error: InvalidResultError


def call_here(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
    """Do the work in this process; return what it returned, or :class:`Raised`."""
    try:
        return call_as(attempt, fn, chunk)
    except BaseException as error:
        if ends_the_program(error):
            raise
        return Raised(error)


def is_local(executor: Executor) -> bool:
    """Whether an executor's work shares this process's memory."""
    return isinstance(executor, OwnExecutor | ThreadPoolExecutor)


def never_started(executor: Executor, future: Future[Any]) -> bool:
    """Cancel an attempt, and return whether it is certain that the attempt never started."""
    is_known = isinstance(executor, OwnExecutor) or type(executor).__module__.startswith("concurrent.futures")
    return is_known and future.cancel()


def has_places(executor: Any) -> bool:
    """Whether an executor says how many workers it has, as the standard library's executors do."""
    size = getattr(executor, "_max_workers", None)
    return isinstance(size, int) and size > 0


def size_of(executor: Any) -> int:
    """Return the number of an executor's workers; the number of CPUs if the executor does not say."""
    return executor._max_workers if has_places(executor) else os.cpu_count() or 1  # noqa: SLF001 - no public name


def is_maker(given: object) -> bool:
    """Whether a value is a function or a class that makes executors."""
    return isinstance(given, type) or (callable(given) and not hasattr(given, "submit"))


def checked_executor(given: Any) -> None:
    """Refuse a value that is neither an executor nor a function that makes one. The function is not called."""
    if hasattr(given, "get_executor"):
        raise InvalidArgumentError(
            "executor", given, "is a client of Dask's: give checkpoint_store.executors.dask(client)"
        )
    if not callable(getattr(given, "submit", None)):
        raise InvalidArgumentError("executor", given, "has no submit(), as executors have, and makes none")


def check_sending(executor: object, fn: object) -> None:
    """Refuse a function that has no pickle for a pool of processes. Some reasons show at the first attempt only."""
    pools = sys.modules.get("concurrent.futures.process")
    if pools is None or not isinstance(executor, pools.ProcessPoolExecutor):
        return
    from multiprocessing.reduction import ForkingPickler  # for pools of processes, which use it

    try:
        ForkingPickler.dumps(fn)
    except Exception as error:  # whatever a value of the caller's does there
        remedy = f"cannot be sent to another process: define it at the top level of a module ({describe(error)})"
        raise InvalidArgumentError("fn", fn, remedy) from error


def can_be_pickled(value: object) -> bool:
    """Whether a value can be sent to another process."""
    try:
        pickle.dumps(value)
    except Exception:  # whatever a value of the caller's does there
        return False
    return True
