"""The executor of one loop: given by the caller or made here, and made anew where it broke."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor, Future, wait
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, WorkerDied
from checkpoint_store.loop.executors import local, processes
from checkpoint_store.loop.executors.clusters import Engine
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from concurrent.futures import Executor

    from checkpoint_store.model.attempt import Attempt

_BROKEN_WAIT_SECONDS_MAX: Final = 5.0
"""How long the other attempts in an executor that broke are waited for."""
_BREAKS_MAX: Final = 10
"""After this many broken executors without any result, the chunks are not to blame."""
_RENEWAL_WAIT_SECONDS_MIN: Final = 0.05
_RENEWAL_WAIT_SECONDS_MAX: Final = 1.0
"""The wait before a broken executor is made anew doubles from the minimum to the maximum."""


class _Foreign(local.OwnExecutor):
    """Takes the steps of our own executors where the executor is another, which knows none of them."""

    def handed_over_max(self) -> int:
        """Return 1: such work begins when it is submitted."""
        return 1


class Workplace:
    """The executor of one loop, from its first attempt to the end of the loop.

    ``given`` is an executor, a function that makes one, or None for threads of our own. It is given as many chunks at
    the same time as it has ``workers`` (None: as many as it works on). ``has_time_limit``: an attempt has a time limit,
    which the time in the executor's queue would use up.
    """

    def __init__(
        self, given: Executor | Callable[[], Executor] | None, workers: int | None, *, has_time_limit: bool
    ) -> None:
        self._workers, self._has_time_limit = workers, has_time_limit
        self._make = _maker_of(given, workers, has_time_limit=has_time_limit)
        self._size = 1
        """How many workers an executor has whose number does not change."""
        self.is_orphaned = False
        """Whether nobody works any more on the attempts in the executor: its event loop will not run again."""
        self.is_broken = False
        self.ready_at = 0.0
        """When a broken executor may be made anew, on the monotonic clock."""
        self._breaks = 0
        """How many executors broke since the last result."""
        self._is_shut_down = False
        """Whether the executor was shut down by somebody else."""
        self._own = self._make is not None
        """Whether this loop made the executor, and shuts it down."""
        self._employ(given)

    def _employ(self, executor: Any) -> None:
        self._executor: Any = executor
        self._is_own_kind = isinstance(executor, local.OwnExecutor)
        self.may_break = not self._is_own_kind
        """Whether the executor can break, with everything in it: one of our own cannot."""
        self.runs_inline = isinstance(executor, local.Inline)
        """Whether the call of :meth:`submit` does the work, instead of only accepting it."""
        self.begins_at_hand_over = self._is_own_kind and not self.runs_inline
        """Whether no work begins before :meth:`hand_over`. Otherwise it may begin within :meth:`submit`."""
        steps: local.OwnExecutor = executor if self._is_own_kind else _Foreign()
        self._steps = steps  # those below are described at OwnExecutor
        self.handed_over_max, self.hand_over, self.wait = steps.handed_over_max, steps.hand_over, steps.wait
        self.gather, self.lets_work_end, self.cancel_unknown = steps.gather, steps.lets_work_end, steps.cancel_unknown

    def open(self, fn: Callable[[Any], Any]) -> None:
        """Make the executor unless the caller gave one; refuse an executor that cannot do this work."""
        if self._make is not None:
            self._employ(self._make())
        try:
            local.checked_executor(self._executor)
            local.check_sending(self._executor, fn)
        except InvalidArgumentError:
            self.close()
            raise
        if type(self._executor).__module__.startswith("distributed."):
            log.warning("Dask's own executor repeats calls by itself: use checkpoint_store.executors.dask(client)")
        self._size = local.size_of(self._executor)
        self.is_local = local.is_local(self._executor)

    @property
    def capacity(self) -> int:
        """How many chunks the executor is given at the same time."""
        executor = self._executor
        if self._is_own_kind:
            return self._workers or 1
        size = executor.size() if isinstance(executor, Engine) else self._size
        says_its_size = isinstance(executor, Engine) or local.has_places(executor)
        if self._workers is None or (self._has_time_limit and says_its_size):
            return min(self._workers or size, size)
        return self._workers

    def submit(self, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Future[Any]:
        """Give the executor one attempt at a chunk; :class:`BrokenExecutor` if it is broken, or was shut down."""
        try:
            future = self._submitted(fn, attempt, chunk)
        except RuntimeError as error:
            if isinstance(error, BrokenExecutor) or "shutdown" not in str(error):
                raise
            self._is_shut_down = True
            raise BrokenExecutor(str(error)) from error
        if not isinstance(future, Future):
            remedy = f"has a submit() that returned a {type(future).__qualname__}, not a concurrent.futures.Future"
            raise InvalidArgumentError("executor", self._executor, remedy)
        return future

    def _submitted(self, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
        if self.is_local:
            return self._executor.submit(local.call_here, fn, attempt, chunk)
        if isinstance(self._executor, Engine):
            return self._executor.submit(processes.call_and_pack, fn, attempt, chunk)
        with processes.launching():
            return self._executor.submit(processes.call_elsewhere, fn, attempt, chunk)

    def failure_of(self, error: BaseException) -> BaseException:
        """Return the failure for an exception of a future, which comes from the executor and not from the work."""
        return self._executor.as_failure(error) if isinstance(self._executor, Engine) else error

    def free_workers(self, *, hung: int) -> int:
        """Return how many chunks the executor can be given while ``hung`` attempts, which took too long, still run.

        In an executor of our own, a hung attempt takes no worker from other work.
        """
        return self.capacity - (0 if self._is_own_kind else hung)

    def abandon(self, future: Future[Any]) -> bool:
        """Abandon an attempt, and return whether it is certain that the attempt never started."""
        if local.never_started(self._executor, future):
            return True
        self._steps.abandon(future)
        return False

    def withdraw(self, future: Future[Any]) -> bool:
        """Cancel an attempt that is given up, and return whether it is certain that its work never begins."""
        if local.never_started(self._executor, future):
            return True
        future.cancel()  # an engine may drop it
        return False

    def cancel_orphans(self, futures: Iterable[Future[Any]], *, is_ending: bool) -> None:
        """Cancel the futures that nobody works on any more; see :meth:`OwnExecutor.cancel_orphans`."""
        self.is_orphaned = self._steps.cancel_orphans(futures, is_ending=is_ending)

    # -- when it breaks

    def mark_working(self) -> None:
        """Note that the executor gave a result."""
        self._breaks = 0

    def mark_broken(self) -> None:
        """Note that the executor takes no more work, and that everything in it ends."""
        if not self.is_broken:
            self.is_broken = True
            processes.kill_workers(self._executor)
            self._breaks += 1
            wait_seconds = min(_RENEWAL_WAIT_SECONDS_MIN * 2.0 ** (self._breaks - 1), _RENEWAL_WAIT_SECONDS_MAX)
            self.ready_at = time.monotonic() + wait_seconds

    def renew(self, job_id: str) -> None:
        """Replace the broken executor, once the wait is over, or raise :class:`WorkerDied` where that cannot help."""
        if self._breaks >= _BREAKS_MAX:
            raise WorkerDied(f"{_BREAKS_MAX} executors broke, one after the other, without any result")
        make = self._make or (None if self._is_shut_down else _maker_like(self._executor))
        if make is None:
            kind = type(self._executor).__qualname__
            broken = f"the executor is broken, and a {kind} cannot be made anew from here"
            raise WorkerDied(
                f"{'the executor was shut down' if self._is_shut_down else broken}. The job is paused. Run the loop "
                "again with a new executor, or give a function that makes one: executor=lambda: …"
            )
        if time.monotonic() < self.ready_at:
            return
        log.warning("job %s: its executor broke and is made anew (%d since the last result)", job_id, self._breaks)
        self.close()
        self._employ(make())
        self._own = True
        local.checked_executor(self._executor)
        self.is_broken = self._is_shut_down = False

    def close(self) -> None:
        """Shut down the executor if this loop made it; wait for nothing."""
        shutdown = getattr(self._executor, "shutdown", None)
        if self._own and callable(shutdown):
            try:
                shutdown(wait=False)
            except Exception as error:  # whatever an executor of the caller's does
                log.warning("an executor could not be shut down: %s", describe(error))


def has_broken(ended: Iterable[Future[Any]], rest: Collection[Future[Any]]) -> bool:
    """Whether any attempt that has ended says that its executor broke. If so, wait a moment for the rest in it."""
    if not any(not future.cancelled() and isinstance(future.exception(), BrokenExecutor) for future in ended):
        return False
    wait(rest, timeout=_BROKEN_WAIT_SECONDS_MAX)
    return True


def _maker_of(given: Any, workers: int | None, *, has_time_limit: bool) -> Callable[[], Executor] | None:
    """Return the function that makes a loop's executor; None if the caller gave an executor."""
    if given is None:
        alone = (workers or 1) == 1 and not has_time_limit
        return local.Inline if alone else lambda: local.Threads(workers or 1)
    return given if local.is_maker(given) else None


def _maker_like(executor: Any) -> Callable[[], Executor] | None:
    """Return a function that makes a process pool with the arguments of this one; None for any other executor."""
    from concurrent.futures import ProcessPoolExecutor  # a tenth of a second, for processes only

    if type(executor) is not ProcessPoolExecutor:
        return None
    names = ("mp_context", "initializer", "initargs", "max_tasks_per_child")
    made_with = {name: getattr(executor, f"_{name}", None) for name in names}
    given = {name: value for name, value in made_with.items() if value is not None}
    return lambda: ProcessPoolExecutor(local.size_of(executor), **given)
