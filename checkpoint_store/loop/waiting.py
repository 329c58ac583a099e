"""The chunks of one loop that are claimed, and wait: for their next try, or for their turn in the order of results."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk


class Again:
    """Chunks to try again, the one that is due first on top."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, ClaimedChunk]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ClaimedChunk]:
        return (held for _, _, held in self._entries)

    @property
    def due_at(self) -> float:
        """When the first one is due, on the monotonic clock; infinite where there is none."""
        return self._entries[0][0] if self._entries else float("inf")

    def put(self, held: ClaimedChunk, due_at: float = 0.0) -> None:
        """Let a chunk wait until a moment of the monotonic clock."""
        heapq.heappush(self._entries, (due_at, next(self._order), held))

    def take_due(self) -> ClaimedChunk | None:
        """Return a chunk that is due, or None."""
        return heapq.heappop(self._entries)[2] if self.due_at <= time.monotonic() else None

    def remove(self, indices: Collection[int]) -> None:
        """Let these chunks wait no longer."""
        self._entries = [entry for entry in self._entries if entry[2].index not in indices]
        heapq.heapify(self._entries)

    def clear(self) -> list[ClaimedChunk]:
        """Return all of them; none waits any longer."""
        entries, self._entries = self._entries, []
        return [held for _, _, held in entries]


class InOrder:
    """Items that are done, and wait for those before them."""

    def __init__(self) -> None:
        self._items: list[tuple[int, Any]] = []

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: list[Any]) -> None:
        """Let items wait for their turn."""
        for item in items:
            heapq.heappush(self._items, (item.index, item))

    def take_below(self, index: float) -> Iterator[Any]:
        """Yield, and forget, the items of the chunks before this one, in index order."""
        while self._items and self._items[0][0] < index:
            yield heapq.heappop(self._items)[1]
