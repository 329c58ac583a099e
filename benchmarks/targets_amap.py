"""T18: the whole loop for asyncio, with work that returns at once, beside async-batch-llm with its SQLite store."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, workload
from benchmarks.measure import Report, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.bench import Bench

_PLAIN: Final = "raw sqlite3, three statements, one commit"
_PLAIN_AGAIN: Final = "the same once more (noise)"
_WORKERS: Final = (1, 16)
_MODULE: Final = "async_batch_llm"
_AT_LEAST: Final = {1: 3.0, 16: 5.0}


async def _answer(prompt: str) -> dict[str, Any]:
    return workload.result(int(prompt))


def _plain(path: Path, count: int) -> None:
    connection = workload.open_raw(path)
    for index in range(count):
        workload.raw_checkpoint(connection, index, workload.text_of(index))
    connection.close()


async def _ours(path: Path, count: int, workers: int) -> None:
    with CheckpointStore(path) as store:
        job = store.open_job(workload.FILE_NAME, chunks=[str(index) for index in range(count)])
        assert len([item async for item in job.amap(_answer, workers=workers)]) == count


async def _theirs(path: Path, count: int, workers: int) -> None:
    """Run async-batch-llm, its store at FULL, without the wait for company that its default has for a lone call."""
    library: Any = import_module(_MODULE)

    async def invoke(prompt: str, **_: Any) -> Any:
        return library.CallOutcome(await _answer(prompt))

    versions = dict.fromkeys(("prompt_version", "parser_version", "application_version"), "1")
    store = library.SqliteArtifactStore(
        path,
        identity=library.ArtifactIdentity(provider="a-provider", model="a-model", **versions),
        durability=library.SqliteDurability.FULL,
        commit_interval_seconds=0,
    )
    batch = await library.process_prompts(
        library.CallableStrategy(invoke),
        [str(index) for index in range(count)],
        config=library.ProcessorConfig(concurrency=workers),
        artifact_store=store,
    )
    assert sum(one.success for one in batch.results) == count


def _run(
    whole_loop: Callable[[Path, int, int], Coroutine[Any, Any, None]], new: Callable[[], Path], count: int, workers: int
) -> None:
    asyncio.run(whole_loop(new(), count, workers))


def _name(whose: str, workers: int) -> str:
    return f"{whose}, {workers} in flight"


def t18(bench: Bench) -> Report:
    """T18: the loop for asyncio beside a peer's."""
    report = Report("T18", "amap with work that returns at once, from the opening of the store to its end")
    count = bench.size(1500, 60)
    with bench.place() as folder:

        def new() -> Path:
            return Path(mkdtemp(dir=folder)) / "store.db"

        runs: dict[str, Callable[[], Any]] = {
            _PLAIN: lambda: _plain(new(), count),
            _PLAIN_AGAIN: lambda: _plain(new(), count),
        }
        for workers in _WORKERS:
            runs[_name("amap", workers)] = partial(_run, _ours, new, count, workers)
            if find_spec(_MODULE) is not None:
                runs[_name(_MODULE, workers)] = partial(_run, _theirs, new, count, workers)
        level = logging.root.manager.disable
        logging.disable()
        try:
            timed = {name: measure.timed(run) for name, run in runs.items()}
            found = measure.interleave(timed, bench.rounds(7, 1), warm_up=not bench.quick)
        finally:
            logging.disable(level)
    report.tables.append(measure.table(f"{count} items", found, _PLAIN, unit="ms", scale=1e3))
    for workers in _WORKERS:
        ours, theirs = _name("amap", workers), _name(_MODULE, workers)
        ratio = measure.middle_ratio(found, theirs, ours) if theirs in found else None
        note = "" if theirs in found else f"{_MODULE} is not installed"
        report.verdicts.append(Verdict(f"{theirs} ÷ {ours}", ratio, _AT_LEAST[workers], ">=", note=note))
    return report
