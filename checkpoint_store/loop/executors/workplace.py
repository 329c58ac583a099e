"""Where one loop has its work done: the executor that it was given, or made, and a new one where that broke."""

from __future__ import annotations

import time
from concurrent.futures import Future
from logging import getLogger
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, WorkerDied
from checkpoint_store.loop.executors import local, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from checkpoint_store.model.attempt import Attempt

_log = getLogger("checkpoint_store")

_MOST_BREAKS: Final = 10
"""After so many broken executors without any result, no chunk is to blame."""
_FIRST_SECONDS: Final = 0.05
_MOST_SECONDS: Final = 1.0
"""The pauses before a broken executor is made anew grow from the one to the other."""


class Workplace:
    """An executor, from its first piece of work to the end of the loop.

    Args:
        given: an executor, a function that makes one, or None for threads of our own.
        workers: how many pieces of work to give it at the same time; None for as many as it does.
        has_time_limit: whether work that waits for its turn in the executor would lose time by that.
    """

    def __init__(
        self, given: Executor | Callable[[], Executor] | None, workers: int | None, *, has_time_limit: bool
    ) -> None:
        self._workers, self._has_time_limit = workers, has_time_limit
        self._make = _maker_of(given, workers, has_time_limit=has_time_limit)
        self.limit = 1
        """How many pieces of work it is given at the same time."""
        self.is_broken = False
        self.ready_at = 0.0
        """When a broken executor may be made anew, on the monotonic clock."""
        self._breaks = 0
        """How many broke since the last result."""
        self._own = self._make is not None
        """Whether this loop made it, and shuts it down."""
        self._executor: Any = given

    def open(self, fn: Callable[[Any], Any]) -> None:
        """Make the executor if that is left to this loop.

        Raises:
            InvalidArgumentError: it cannot do this work.
        """
        if self._make is not None:
            self._executor = self._make()
        local.checked_executor(self._executor)
        if not local.can_be_sent(self._executor, fn):
            remedy = "cannot be sent to another process: define it at the top level of a module"
            self.close()
            raise InvalidArgumentError("fn", fn, remedy)
        size = local.size_of(self._executor)
        self.limit = self._workers or (1 if isinstance(self._executor, local.OwnExecutor) else size)
        if self._has_time_limit and local.has_places(self._executor):
            self.limit = min(self.limit, size)
        self.is_local = local.is_local(self._executor)

    def submit(self, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Future[Any]:
        """Have a piece of work done.

        Raises:
            BrokenExecutor: the executor is broken.
            InvalidArgumentError: it gives no future of the standard library's.
        """
        if self.is_local:
            future = self._executor.submit(local.call_here, fn, attempt, chunk)
        else:
            with processes.launching():
                future = self._executor.submit(processes.call_elsewhere, fn, attempt, chunk)
        if not isinstance(future, Future):
            remedy = f"has a submit() that returned a {type(future).__qualname__}, not a concurrent.futures.Future"
            raise InvalidArgumentError("executor", self._executor, remedy)
        return future

    @property
    def begins_at_once(self) -> bool:
        """Whether work is done, and not only accepted, by the call of :meth:`submit`."""
        return isinstance(self._executor, local.Inline)

    @property
    def keeps_no_place(self) -> bool:
        """Whether work that hangs takes no place from other work."""
        return isinstance(self._executor, local.OwnExecutor)

    def give_up(self, future: Future[Any]) -> bool:
        """Give up a piece of work, and return whether it is certain that it never began."""
        if local.never_began(self._executor, future):
            return True
        if isinstance(self._executor, local.OwnExecutor):
            self._executor.give_up(future)
        return False

    def look_after(self, futures: Iterable[Future[Any]]) -> None:
        """End, as cancelled, those of these that nobody works on any more."""
        if isinstance(self._executor, local.OwnExecutor):
            self._executor.look_after(futures)

    # -- when it breaks

    def works(self) -> None:
        """A result came out of it."""
        self._breaks = 0

    def broke(self) -> None:
        """It takes no more work, and all that is in it ends."""
        if not self.is_broken:
            self.is_broken = True
            self._breaks += 1
            pause = min(_FIRST_SECONDS * 2.0 ** (self._breaks - 1), _MOST_SECONDS)
            self.ready_at = time.monotonic() + pause

    def renew(self) -> None:
        """Make a new executor in the place of the broken one, once its time has come.

        Raises:
            WorkerDied: that is not possible, or was done too often without any result.
        """
        if self._breaks >= _MOST_BREAKS:
            raise WorkerDied(f"{_MOST_BREAKS} executors broke, one after the other, without any result")
        make = self._make or local.maker_like(self._executor)
        if make is None:
            raise WorkerDied(
                f"the executor is broken, and a {type(self._executor).__qualname__} cannot be made anew from here. The "
                "job is paused. Run it again with a new executor, or give a function that makes one: "
                "executor=lambda: …"
            )
        if time.monotonic() < self.ready_at:
            return
        _log.warning("an executor broke and is made anew (%d since the last result)", self._breaks)
        self.close()
        self._executor, self._own = make(), True
        local.checked_executor(self._executor)
        self.is_broken = False

    def close(self) -> None:
        """Shut down what this loop made; nothing is waited for."""
        shutdown = getattr(self._executor, "shutdown", None)
        if self._own and callable(shutdown):
            try:
                shutdown(wait=False)
            except Exception as error:  # noqa: BLE001 - whatever an executor of the caller's does
                _log.warning("an executor could not be shut down: %r", error)


def _maker_of(given: Any, workers: int | None, *, has_time_limit: bool) -> Callable[[], Executor] | None:
    """Return what makes a loop's executor, where that is left to the loop."""
    if given is None:
        alone = (workers or 1) == 1 and not has_time_limit
        return local.Inline if alone else lambda: local.Threads(workers or 1)
    return given if local.is_maker(given) else None
