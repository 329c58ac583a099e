"""Futures without a lock, the wait for the first of many to end, and how many tasks are handed over together."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


_OUTCOME: Final = "outcome"


class LockFreeFuture(Future[Any]):
    """A future that one thread ends, and that the loop asks. It has no lock, and nobody can wait for it by itself.

    The locks of a usual future, of which each task and each wait takes several, cost a chunk 10 to 20 µs. The executor
    that made it wakes the loop; see :class:`Ends`.
    """

    def __init__(self) -> None:
        self._unbegun: list[None] = [None]
        """The thread that takes the element out begins the work, or cancels it. Only one thread can take it."""
        self._outcome: dict[str, tuple[Any, BaseException | None]] = {}
        """The result and the error, under one key: ``setdefault`` lets only the first thread set it."""
        self._callbacks: deque[Callable[[Future[Any]], object]] | None = None

    @classmethod
    def ended(cls, result: Any = None, error: Exception | None = None) -> LockFreeFuture:
        """Return a future that is done as it is made."""
        future = cls()
        future._unbegun.clear()
        future._outcome[_OUTCOME] = result, error
        return future

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'done' if self._outcome else 'not done'}>"

    def begin(self) -> bool:
        """Return whether the work may begin; False if it was cancelled, or has begun."""
        try:
            self._unbegun.pop()
        except IndexError:
            return False
        return True

    def end(self, result: Any = None, error: BaseException | None = None) -> bool:
        """Note how the work ended; return False if another end was noted before."""
        noted = self._outcome.setdefault(_OUTCOME, (result, error))
        is_noted = noted[0] is result and noted[1] is error  # also where an interrupt made a caller do this again
        if self._callbacks is not None:
            self._call_back()
        return is_noted

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """See :meth:`concurrent.futures.Future.add_done_callback`."""
        if self._callbacks is None:
            self._callbacks = deque()
        self._callbacks.append(fn)
        if self._outcome:
            self._call_back()

    def _call_back(self) -> None:
        """Make each call once: the thread that ends the work, and the one that adds a call, may both be here."""
        while self._callbacks:
            try:
                fn = self._callbacks.popleft()
            except IndexError:  # the other thread took the last one
                return
            fn(self)

    def cancel_anyway(self) -> bool:
        """Cancel the future even if its work has begun; return whether this call has ended the future."""
        self.begin()
        return self.end(error=CancelledError())

    def done(self) -> bool:
        """See :meth:`concurrent.futures.Future.done`."""
        return bool(self._outcome)

    def running(self) -> bool:
        """See :meth:`concurrent.futures.Future.running`."""
        return not self._unbegun and not self._outcome

    def cancelled(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancelled`."""
        return bool(self._outcome) and isinstance(self._outcome[_OUTCOME][1], CancelledError)

    def cancel(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancel`."""
        if self.begin():
            self.end(error=CancelledError())
        return self.cancelled()

    def result(self, timeout: float | None = None) -> Any:
        """See :meth:`concurrent.futures.Future.result`; raises TimeoutError at once while there is no result."""
        del timeout  # nobody can wait
        result, error = self._outcome.get(_OUTCOME, (None, TimeoutError()))
        if error is not None:
            raise error
        return result

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See :meth:`concurrent.futures.Future.exception`; raises as :meth:`result` does."""
        del timeout  # nobody can wait
        if not self._outcome:
            raise TimeoutError
        error = self._outcome[_OUTCOME][1]
        if isinstance(error, CancelledError):
            raise error
        return error


class Ends:
    """Wakes a loop that waits for the first of many futures to end. Safe to share between threads."""

    def __init__(self) -> None:
        self._one_has_ended = threading.Lock()
        """Free once a future has ended since the loop last looked."""
        self._one_has_ended.acquire()
        self._slow: set[Future[Any]] = set()
        """The futures that :meth:`gather` waited for in vain, and that have not ended."""

    def note(self) -> None:
        """Note that a future is done; call this after the future says so."""
        if self._one_has_ended.locked():
            with suppress(RuntimeError):  # another thread was quicker
                self._one_has_ended.release()

    def wait(self, futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
        """See :meth:`OwnExecutor.wait`."""
        self._one_has_ended.acquire(blocking=False)
        return any(future.done() for future in futures) or self._one_has_ended.acquire(timeout=timeout_seconds)

    def gather(self, futures: Collection[Future[Any]], timeout_seconds: float) -> None:
        """Wait until all futures have ended, or the time is over. A future that takes longer is waited for once."""
        until = time.monotonic() + timeout_seconds
        self._slow = {future for future in self._slow if not future.done()}
        awaited = [future for future in futures if future not in self._slow] if self._slow else futures
        while not all(future.done() for future in awaited):
            left_seconds = until - time.monotonic()
            if left_seconds <= 0.0:
                self._slow.update(future for future in awaited if not future.done())
                return
            self._one_has_ended.acquire(timeout=left_seconds)


HANDED_OVER_MAX: Final = 4
"""How many tasks are handed over at once where they take time."""
_QUICK_HANDED_OVER_MAX: Final = 32
"""How many tasks are handed over at once where one thread does many of them in the time in which another wakes up."""
_TOGETHER_SECONDS_MAX: Final = 0.0005
"""Quick tasks that began together are recorded together: a loop waits at most this long for the rest of them."""
_TASK_SECONDS_MIN: Final = 1e-6
"""A coarse clock shows no time for a quick task, and twice zero would not grow."""
QUICK_SECONDS_MAX: Final = 0.001
"""A task of less than this many seconds is quick."""


class HandOvers:
    """How many tasks to hand over at once, by how long the last tasks took. A race leaves out a task at most."""

    def __init__(self, task_seconds: float) -> None:
        self._task_seconds = task_seconds
        """How long the quickest of the last tasks took. It grows slowly: a quick task may have waited for the GIL."""

    def note(self, seconds: float) -> None:
        """Note how long a task took."""
        self._task_seconds = max(min(seconds, 2 * self._task_seconds), _TASK_SECONDS_MIN)

    @property
    def _are_quick(self) -> bool:
        """Whether the tasks take next to no time."""
        return self._task_seconds < QUICK_SECONDS_MAX

    @property
    def at_once_max(self) -> int:
        """How many tasks to hand over at once. A group costs less than its tasks, which only quick tasks notice."""
        return _QUICK_HANDED_OVER_MAX if self._are_quick else HANDED_OVER_MAX

    def gather(self, ends: Ends, futures: Collection[Future[Any]]) -> None:
        """See :meth:`OwnExecutor.gather`; ``ends`` tells when one of the futures has ended."""
        if self._are_quick:
            ends.gather(futures, _TOGETHER_SECONDS_MAX)
