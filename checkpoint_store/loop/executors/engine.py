"""The engines Dask and Ray: clusters whose workers come and go, and which the loop must not overrun."""

from __future__ import annotations

import time
from abc import abstractmethod
from concurrent.futures import CancelledError, Executor
from typing import Final

from checkpoint_store.errors import WorkerDied
from checkpoint_store.model.error_text import describe

_SIZE_HOLDS_SECONDS: Final = 2.0
"""Do not ask a cluster for its size again within this time."""


class Engine(Executor):
    """A cluster that does the work. One attempt is one call: the engine repeats no call by itself."""

    _size = 1
    _size_until = 0.0

    def size(self) -> int:
        """Return how many calls the cluster can do at the same time, as it was in the last two seconds; at least 1."""
        moment = time.monotonic()
        if moment >= self._size_until:
            self._size = max(1, self._count_places())
            self._size_until = moment + _SIZE_HOLDS_SECONDS
        return self._size

    @abstractmethod
    def _count_places(self) -> int:
        """Return how many calls the cluster can do at the same time now."""

    @staticmethod
    def as_failure(error: BaseException) -> WorkerDied:
        """Return what an exception of a future means: what the work raised comes home as a value."""
        reason = "the cluster dropped it" if isinstance(error, CancelledError) else describe(error)
        return WorkerDied(f"the worker that had this chunk gave no result: {reason}")
