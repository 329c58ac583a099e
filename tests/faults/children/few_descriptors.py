"""Do each of many things with a few descriptors left, each in a fork that has imported none of the modules it needs.

Prints how each ended, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore, CheckpointStoreError, recover_store

if TYPE_CHECKING:
    from collections.abc import Callable

logging.disable(logging.CRITICAL)
SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
FOLDER = Path.cwd()
OTHER = FOLDER / "other.db"


def in_a_fork(work: Callable[[], str]) -> str:
    """Return what the work returns, done in a fork."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def new_store(path: Path) -> str:
    """Make a store with one chunk of three done."""
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", chunks=["a", "b", "c"]).complete(0, "A")
    return "made"


async def awaited(job: Any) -> None:
    """Work through a job in asyncio."""

    async def work(data: object) -> str:
        return str(data)

    async for _ in job.amap(work):
        pass


def by_amap(path: Path) -> tuple[Any, Callable[[], object]]:
    """The event loop, which holds descriptors, is there before they run short."""
    store = CheckpointStore(path)
    job, loop = store.job("talk.srt"), asyncio.new_event_loop()

    def run() -> None:
        work = awaited(job)
        try:
            loop.run_until_complete(work)
        finally:
            work.close()

    return store, run


def opened(work: Callable[[Any, Any], object], path: Path) -> tuple[Any, Callable[[], object]]:
    """An open store and its job, which there were descriptors for."""
    store = CheckpointStore(path)
    return store, partial(work, store, store.job("talk.srt"))


def closed(work: Callable[[Path], object], path: Path) -> tuple[Any, Callable[[], object]]:
    """A store that is opened with few descriptors only."""
    return None, partial(work, path)


def read(path: Path) -> None:
    """Read a store without writing."""
    with CheckpointStore(path, read_only=True) as store:
        list(store.job("talk.srt").items())


WAYS: dict[str, Callable[[Path], tuple[Any, Callable[[], object]]]] = {
    "map": partial(opened, lambda _, job: list(job.map(str))),
    "store.map": partial(opened, lambda store, _: store.map(str, ["x"], file_name="x.srt")),
    "amap": by_amap,
    "pending": partial(opened, lambda _, job: [chunk.complete(1) for chunk in job.pending()]),
    "a config": partial(opened, lambda store, _: store.open_job("n", total_chunks=1, config={"a": 1})),
    "merge": partial(opened, lambda store, _: store.merge(OTHER)),
    "backup": partial(opened, lambda store, _: store.backup(FOLDER / f"copy-{os.getpid()}.db")),
    "export": partial(opened, lambda _, job: job.export(FOLDER / f"copy-{os.getpid()}.json")),
    "open": partial(closed, lambda path: CheckpointStore(path).close()),
    "open a new one": partial(closed, lambda path: CheckpointStore(path.with_name(f"new-{path.name}")).close()),
    "read": partial(closed, read),
    "recover": partial(closed, recover_store),
}


def outcome(way: str, free: int) -> str:
    """Do one thing with so many descriptors left. Return how it ended, and whether the recorded chunk is there."""
    path = FOLDER / f"{way.replace(' ', '-')}-{free}.db"
    shutil.copy(OTHER, path)
    store, work = WAYS[way](path)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 40, HARD))
    fillers: list[int] = []
    while True:
        try:
            fillers.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break
    for _ in range(free):
        os.close(fillers.pop())
    try:
        work()
        said = "done"
    except CheckpointStoreError as error:
        said = str(error)
    except BaseException as error:
        said = f"bare {error!r}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))
    for filler in fillers:
        os.close(filler)
    if store is not None:
        store.close()
    with CheckpointStore(path) as again:
        return said if again.job("talk.srt").is_completed(0) else f"{said}; the recorded chunk is gone"


in_a_fork(partial(new_store, OTHER))
free_counts = [int(word) for word in sys.argv[1:]]
print(
    json.dumps({f"{way}, {free} free": in_a_fork(partial(outcome, way, free)) for way in WAYS for free in free_counts})
)
