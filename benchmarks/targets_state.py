"""T8: the state file: how fast, in how much memory, and at what share of a running job's time."""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from benchmarks.bench import Bench

_DUMPS: Final = "json.dumps(indent=2) of results in memory, written and synced"
_DUMPS_AGAIN: Final = "the same once more (noise)"
_LOADED: Final = "the same, results read from the store first"
_OURS: Final = "checkpoint_store: job.export()"
_MEBI: Final = 1024 * 1024


def _write(path: Path, text: str) -> None:
    with path.with_suffix(".tmp").open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".tmp").replace(path)


def _dump(path: Path, results: list[Any]) -> None:
    state = {
        "version": "1.0",
        "job_id": workload.JOB_ID,
        "completed_chunks": list(range(len(results))),
        "processed_results": results,
        "config": {},
    }
    _write(path, json.dumps(state, indent=2, ensure_ascii=False))


def export(path: str, job_id: str, out: str, *, library: bool) -> dict[str, Any]:
    """Return the memory that writing a state file takes, by the library or by json.dumps."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.job(job_id)
        if library:
            with machine.Memory() as memory:
                job.export(out)
        else:
            with machine.Memory() as memory:
                _dump(Path(out), list(job.results(missing="skip")))
    return {"growth": memory.growth_bytes}


def share(folder: str, count: int, block: int) -> dict[str, Any]:
    """Return the seconds per checkpoint of three jobs, of which one keeps a state file.

    Each runs alone: what the state file may take is a share of the time that passes, whoever works meanwhile.
    """
    place = Path(folder)
    spent = [0.0]
    _watch(spent)
    blocks: dict[str, list[float]] = {}
    elapsed = 0.0
    for name, state_file in (("without", None), ("with", place / "with.json"), ("without again", None)):
        path = place / f"{name}.db"
        job_id = workload.create_ours(path, count)
        store = CheckpointStore(path, state_file=state_file)
        job, times = store.job(job_id), []
        began = time.perf_counter()
        for start in range(0, count, block):
            items = [(index, workload.result(index)) for index in range(start, min(start + block, count))]
            before = time.perf_counter()
            for index, item in items:
                job.complete(index, item)
            times.append((time.perf_counter() - before) / len(items))
        if state_file is not None:
            elapsed, watched = time.perf_counter() - began, spent[0]
        blocks[name] = times
        store.close()
    return {"blocks": blocks, "spent": watched, "of": elapsed}


def _watch(spent: list[float]) -> None:
    """Add up the time that ``StateFile.follow`` takes in ``spent[0]``; -1 if the library has no such method."""
    try:
        from checkpoint_store.state_file.writer import StateFile  # not public: only to see more

        follow = StateFile.follow
    except (ImportError, AttributeError):
        spent[0] = -1.0
        return

    def watched(self: Any, *arguments: Any, **named: Any) -> None:
        before = time.perf_counter()
        try:
            follow(self, *arguments, **named)
        finally:
            spent[0] += time.perf_counter() - before

    StateFile.follow = watched  # type: ignore[method-assign]


def t8(bench: Bench) -> Report:
    """T8: the state file."""
    count = bench.size(20_000, 1_000)
    report = Report("T8", f"The state file of {count:,} results")
    with bench.place() as folder:
        path, out = folder / "store.db", folder / "state.json"
        job_id = workload.create_ours(path, count)
        workload.fill_ours(path, job_id, 0, count)
        results = [workload.result(index) for index in range(count)]
        with CheckpointStore(path, state_file=None) as store:
            job = store.job(job_id)
            runners = {
                _DUMPS: measure.timed(lambda: _dump(folder / "dumps.json", results)),
                _DUMPS_AGAIN: measure.timed(lambda: _dump(folder / "again.json", results)),
                _LOADED: measure.timed(lambda: _dump(folder / "loaded.json", list(job.results(missing="skip")))),
                _OURS: measure.timed(lambda: job.export(out)),
            }
            found = measure.interleave(runners, bench.rounds(15, 2))
        growth = {
            library: machine.in_child(
                "targets_state:export", path=str(path), job_id=job_id, out=str(folder / "child.json"), library=library
            )["growth"]
            for library in (True, False)
        }
    notes = {
        name: "" if growth[library] is None else f"{growth[library] / _MEBI:,.0f} MiB more memory"
        for name, library in ((_OURS, True), (_LOADED, False))
    }
    report.tables.append(measure.table("One whole state file", found, _DUMPS, unit="ms", scale=1e3, notes=notes))
    mebi = None if growth[True] is None else growth[True] / _MEBI
    report.verdicts += [
        Verdict("job.export() ÷ json.dumps(indent=2)", measure.middle_ratio(found, _OURS, _DUMPS), 0.35),
        Verdict("growth", mebi, 10.0, unit="MiB", note="" if mebi is not None else "only Linux tells"),
    ]
    _share(bench, report, bench.size(20_000, 1_000))
    return report


def _share(bench: Bench, report: Report, count: int) -> None:
    with bench.place() as folder:
        measured = machine.in_child("targets_state:share", folder=str(folder), count=count, block=100)
    found = {name: Series(blocks, blocks) for name, blocks in measured["blocks"].items()}
    title = f"One checkpoint of a job of {count:,} chunks, with a state file and without; blocks of 100"
    report.tables.append(measure.table(title, found, "without"))
    sums = {name: statistics.fmean(blocks) for name, blocks in measured["blocks"].items()}
    noise = abs(1 - sums["without again"] / sums["without"])
    inside = measured["spent"] / measured["of"]
    more = f"with ÷ without: {sums['with'] / sums['without']:.3f} of the mean time, noise ± {noise:.3f}"
    if inside < 0:  # the library has no place where this could be watched
        inside = 1 - sums["without"] / sums["with"]
    report.verdicts.append(Verdict("share of a running job's time", inside, 0.05, unit="", note=more))
