"""The duration of tasks decides how many a loop hands over at once, and whether it waits until all have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Future

    from checkpoint_store.loop.executors.futures import Ends

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
