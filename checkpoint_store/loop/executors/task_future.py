"""The future of a task of an event loop, which one thread sets and another one reads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_OUTCOME: Final = "outcome"


class TaskFuture(Future[Any]):
    """The future of a task. It has no lock: making, setting and asking one with a lock takes 20 µs for each chunk.

    Nobody can wait for it but by a callback.
    """

    def __init__(self) -> None:
        self._outcome: dict[str, tuple[Any, BaseException | None]] = {}
        """The result and the error, under one key: ``setdefault`` lets one thread of several set it."""
        self._callbacks: deque[Callable[[Future[Any]], object]] = deque()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'done' if self._outcome else 'pending'}>"

    def done(self) -> bool:
        """See :meth:`concurrent.futures.Future.done`."""
        return bool(self._outcome)

    def running(self) -> bool:
        """See :meth:`concurrent.futures.Future.running`; always False, so that it can be cancelled at any time."""
        return False

    def cancelled(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancelled`."""
        return bool(self._outcome) and isinstance(self._outcome[_OUTCOME][1], CancelledError)

    def cancel(self) -> bool:
        """See :meth:`concurrent.futures.Future.cancel`."""
        return self._settle(None, CancelledError()) or self.cancelled()

    def set_running_or_notify_cancel(self) -> bool:
        """See :meth:`concurrent.futures.Future.set_running_or_notify_cancel`."""
        return not self._outcome

    def set_result(self, result: Any) -> None:
        """See :meth:`concurrent.futures.Future.set_result`."""
        if not self._settle(result, None):
            raise InvalidStateError(repr(self))

    def set_exception(self, exception: BaseException | None) -> None:
        """See :meth:`concurrent.futures.Future.set_exception`."""
        if not self._settle(None, exception):
            raise InvalidStateError(repr(self))

    def _settle(self, result: Any, error: BaseException | None) -> bool:
        """Set the outcome, unless it is set already; return whether this call has set it."""
        outcome = (result, error)
        if self._outcome.setdefault(_OUTCOME, outcome) is not outcome:
            return False
        self._call_back()
        return True

    def result(self, timeout: float | None = None) -> Any:
        """See :meth:`concurrent.futures.Future.result`; raises TimeoutError at once where there is none yet."""
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

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """See :meth:`concurrent.futures.Future.add_done_callback`."""
        self._callbacks.append(fn)
        if self._outcome:
            self._call_back()

    def _call_back(self) -> None:
        while True:
            try:
                fn = self._callbacks.popleft()
            except IndexError:  # another thread called the last one, or there is none
                return
            fn(self)
