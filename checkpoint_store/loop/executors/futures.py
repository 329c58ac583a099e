"""Futures of a loop's own executors, which need no lock, and the wait for the futures of any other executor."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def wait_for_one(futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
    """Wait until one of these has ended, or the time is over; return whether one has."""
    return bool(wait(futures, timeout=timeout_seconds, return_when=FIRST_COMPLETED).done)


class Ended(Future[Any]):
    """A future that is done as it is made. Nobody waits for it, so it has no lock: making one costs a chunk 20 µs."""

    def __init__(self, result: Any = None, *, error: Exception | None = None) -> None:
        self._value, self._error = result, error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'returned' if self._error is None else 'raised'}>"

    def done(self) -> bool:
        """See :meth:`concurrent.futures.Future.done`."""
        return True

    def running(self) -> bool:
        """See :meth:`concurrent.futures.Future.running`."""
        return False

    def cancelled(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancelled`."""
        return False

    def cancel(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancel`."""
        return False

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - there is nothing to wait for
        """See :meth:`concurrent.futures.Future.result`."""
        if self._error is not None:
            raise self._error
        return self._value

    def exception(self, timeout: float | None = None) -> BaseException | None:  # noqa: ARG002 - as above
        """See :meth:`concurrent.futures.Future.exception`."""
        return self._error

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """See :meth:`concurrent.futures.Future.add_done_callback`."""
        fn(self)


class Handed(Ended):
    """A future that a thread fills, and that the loop asks once it is done. :meth:`Threads.wait` waits for it.

    It has no lock. The locks of a usual future, of which each task and each wait takes several, cost a chunk 10 µs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_done = self._is_cancelled = False
        self._unbegun: list[None] = [None]
        """Who takes the element out begins the work, or cancels it. Only one thread can take it."""
        self._callbacks: deque[Callable[[Future[Any]], object]] | None = None

    def __repr__(self) -> str:
        return super().__repr__() if self._is_done else f"<{type(self).__name__} not done>"

    def begin(self) -> bool:
        """Return whether the work may begin; False where it was cancelled."""
        try:
            self._unbegun.pop()
        except IndexError:
            return False
        return True

    def end(self, result: Any = None, error: Any = None) -> None:
        """Note how the work ended."""
        self._value, self._error = result, error
        self._is_done = True  # last: the loop looks at this first
        if self._callbacks is not None:
            self._call_back()

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """See :meth:`concurrent.futures.Future.add_done_callback`."""
        if self._callbacks is None:
            self._callbacks = deque()
        self._callbacks.append(fn)
        if self._is_done:
            self._call_back()

    def _call_back(self) -> None:
        """Make each call once: the thread that ends the work, and the one that adds a call, may both be here."""
        while self._callbacks:
            try:
                fn = self._callbacks.popleft()
            except IndexError:  # the other thread called the last one
                return
            fn(self)

    def done(self) -> bool:
        """See :meth:`concurrent.futures.Future.done`."""
        return self._is_done

    def running(self) -> bool:
        """See :meth:`concurrent.futures.Future.running`."""
        return not self._unbegun and not self._is_done

    def cancelled(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancelled`."""
        return self._is_cancelled

    def cancel(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancel`."""
        if self.begin():
            self._is_cancelled = True
            self.end(error=CancelledError())
        return self._is_cancelled
