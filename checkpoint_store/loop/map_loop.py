"""The generators that ``map`` and ``amap`` return: they warn if nobody iterates them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

from checkpoint_store.execution.loops.deadlocks import refuse_nested
from checkpoint_store.execution.loops.open_loops import RunningLoop
from checkpoint_store.loop.loop import Loop
from checkpoint_store.loop.options import check_shard_of
from checkpoint_store.model.records import MapItem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options


def map_loop(execution: JobExecution, fn: Callable[[Any], Any], options: Options) -> Iterator[MapItem]:
    """Return the loop of :meth:`Job.map`. Nothing is called before it is iterated."""
    options.check_work(fn)
    check_shard_of(execution, options.shard)
    refuse_nested(execution.job_id, "map")
    return MapLoop(execution.job_id, RunningLoop(execution.loops, execution.job_id, Loop(execution, fn, options)).run())


class _NeverIterated:
    """Warns if it is discarded before anybody has iterated it."""

    _job_id: str
    _is_begun = False

    def __del__(self) -> None:
        is_made = hasattr(self, "_job_id")  # no interrupt came before
        if is_made and not self._is_begun and not sys.is_finalizing():
            warnings.warn(
                f"a loop over job {self._job_id} was never iterated, so no chunk was worked on: use it in a `for`, or "
                "in list(...)",
                RuntimeWarning,
                stacklevel=2,
            )


class MapLoop(_NeverIterated, Generator[MapItem, None, None]):
    """The generator that :meth:`Job.map` returns."""

    def __init__(self, job_id: str, items: Iterator[MapItem]) -> None:
        self._job_id = job_id
        self._items: Generator[MapItem, None, None] = items  # type: ignore[assignment]

    def __next__(self) -> MapItem:
        self._is_begun = True
        return next(self._items)

    def send(self, value: None) -> MapItem:
        """Go on; see :meth:`generator.send`."""
        self._is_begun = True
        return self._items.send(value)

    def throw(self, *error: Any) -> MapItem:
        """End with an error; see :meth:`generator.throw`."""
        self._is_begun = True
        return self._items.throw(*error)

    def close(self) -> None:
        """End the loop: wait for the work in flight, and record its results."""
        self._is_begun = True
        self._items.close()


class AsyncMapLoop(_NeverIterated, AsyncGenerator[MapItem, None]):
    """The asynchronous generator that :meth:`Job.amap` returns."""

    def __init__(self, job_id: str, items: AsyncGenerator[MapItem, None]) -> None:
        self._job_id, self._items = job_id, items

    def __anext__(self) -> Awaitable[MapItem]:  # type: ignore[override]
        self._is_begun = True
        return self._items.__anext__()

    async def asend(self, value: None) -> MapItem:
        """Go on; see :meth:`agen.asend`."""
        self._is_begun = True
        return await self._items.asend(value)

    async def athrow(self, *error: Any) -> MapItem:
        """End with an error; see :meth:`agen.athrow`."""
        self._is_begun = True
        return await self._items.athrow(*error)

    async def aclose(self) -> None:
        """End the loop: wait for the work in flight, and record its results."""
        self._is_begun = True
        await self._items.aclose()
