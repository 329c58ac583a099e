"""T18: the whole asynchronous loop, with work that returns at once, against async-batch-llm."""

from __future__ import annotations

import asyncio
import itertools
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure
from benchmarks.measure import Report, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from benchmarks.bench import Bench

_PEER: Final = "async_batch_llm"
_TARGETS: Final = {1: 3.0, 16: 5.0}
"""How many items are in flight, and how many times as fast the loop is to be."""


async def _ours(folder: Path, count: int, in_flight: int) -> None:
    async def work(item: str) -> dict[str, str]:
        return {"text": item}

    with CheckpointStore(folder / "ours.db") as store:
        job = store.open_job("items.txt", chunks=[f"item {index}" for index in range(count)])
        done = [item async for item in job.amap(work, workers=in_flight)]
    assert len(done) == count


async def _theirs(folder: Path, count: int, in_flight: int) -> None:
    peer: Any = import_module(_PEER)
    stores: Any = import_module(f"{_PEER}.sqlite_artifacts")

    async def work(prompt: str, **_: Any) -> Any:
        return peer.CallOutcome({"text": prompt})

    names = ("provider", "model", "prompt_version", "parser_version", "application_version")
    store = stores.SqliteArtifactStore(
        folder / "theirs.db",
        identity=peer.ArtifactIdentity(**dict.fromkeys(names, "1")),
        durability=stores.SqliteDurability.FULL,
    )
    done = await peer.process_prompts(
        peer.CallableStrategy(work),
        [f"item {index}" for index in range(count)],
        concurrency=in_flight,
        artifact_store=store,
        resume=peer.ResumePolicy.REUSE_SUCCESSES,
    )
    assert len(done.results) == count


def t18(bench: Bench) -> Report:
    """T18: amap."""
    count = bench.size(1_500, 40)
    report = Report("T18", f"amap over {count:,} items whose work returns at once, against async-batch-llm at FULL")
    if find_spec(_PEER) is None:
        for in_flight, target in _TARGETS.items():
            what = f"{in_flight} in flight: times as fast"
            report.verdicts.append(Verdict(what, None, target, ">=", note="async-batch-llm is not installed"))
        return report
    ways: dict[str, Callable[[Path, int, int], Coroutine[Any, Any, None]]] = {
        "async-batch-llm": _theirs,
        "checkpoint_store": _ours,
    }
    for in_flight, target in _TARGETS.items():
        with bench.place() as folder:
            numbers = itertools.count()

            def seconds(
                way: Callable[[Path, int, int], Coroutine[Any, Any, None]], folder: Path, in_flight: int
            ) -> list[float]:
                place = folder / str(next(numbers))  # noqa: B023 - called within this turn
                place.mkdir()
                before = time.perf_counter()
                asyncio.run(way(place, count, in_flight))
                return [time.perf_counter() - before]

            runners = {name: partial(seconds, way, folder, in_flight) for name, way in ways.items()}
            found = measure.interleave(runners, bench.rounds(5, 1), warm_up=False)
        title = f"{in_flight} in flight, the whole job"
        report.tables.append(measure.table(title, found, "async-batch-llm", unit="s", scale=1.0))
        faster = 1 / measure.middle_ratio(found, "checkpoint_store", "async-batch-llm")
        report.verdicts.append(Verdict(f"{in_flight} in flight: times as fast", faster, target, ">="))
    return report
