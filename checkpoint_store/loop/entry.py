"""The way into the loops: the first call of each imports its modules, which only some programs need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from checkpoint_store.system.descriptors import importing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.records import MapItem

T = TypeVar("T")


def map_loop(execution: JobExecution, fn: Callable[[Any], Any], given: Mapping[str, Any]) -> Iterator[MapItem]:
    """Return the loop of :meth:`Job.map`, whose ``locals()`` are ``given``."""
    with importing():
        from checkpoint_store.loop import map_loop as loops
        from checkpoint_store.loop.options import Options

    return loops.map_loop(execution, fn, Options.of(given))


def amap(execution: JobExecution, fn: Callable[[Any], Any], given: Mapping[str, Any]) -> AsyncGenerator[MapItem, None]:
    """Return the loop of :meth:`Job.amap`, whose ``locals()`` are ``given``."""
    with importing():
        from checkpoint_store.loop.aio import loop as aio
        from checkpoint_store.loop.options import Options

    return aio.amap(execution, fn, Options.of(given))


def apending(chunks: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield what ``Job.pending`` yields; see :meth:`Job.apending`."""
    with importing():
        from checkpoint_store.loop.aio import loop as aio

    return aio.apending(chunks)


async def acomplete(record: Callable[[], None]) -> None:
    """Call ``record``, which records a result; see :meth:`Job.acomplete`."""
    with importing():
        from checkpoint_store.loop.aio import loop as aio

    await aio.acomplete(record)
