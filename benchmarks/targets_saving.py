"""T16: a processor that saves its whole state after each chunk, as the original plan's does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import ProcessingState, StateManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench

_PLAN: Final = "the plan's file writing: json.dumps(indent=2) of everything, .bak by copying, no fsync"
_OURS: Final = "checkpoint_store: load(), replace(), save(); durable"
_BLOCK: Final = 50


class _Plan:
    """The plan's way, its state kept in memory: only the writing counts."""

    def __init__(self, path: Path, total: int) -> None:
        self.path = path
        self.state: dict[str, Any] = ProcessingState(file_name=workload.FILE_NAME, total_chunks=total).to_dict()

    def chunk(self, index: int, result: dict[str, Any]) -> None:
        self.state["completed_chunks"].append(index)
        self.state["processed_results"].append(result)
        if self.path.exists():
            self.path.with_suffix(".bak").write_text(self.path.read_text())
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.state, indent=2))
        temporary.rename(self.path)


class _Ours:
    def __init__(self, path: Path, total: int) -> None:
        self.manager = StateManager(path)
        self.manager.save(ProcessingState(file_name=workload.FILE_NAME, total_chunks=total, status="running"))

    def chunk(self, index: int, result: dict[str, Any]) -> None:
        state = self.manager.load()
        assert state is not None
        more = {
            "completed_chunks": [*state.completed_chunks, index],
            "processed_results": [*state.processed_results, result],
        }
        self.manager.save(state.replace(**more))


def _block(chunk: Callable[[int, dict[str, Any]], None], start: int, stop: int) -> float:
    """Return the mean seconds of a save, over a block of chunks."""
    results = [workload.result(index) for index in range(start, stop)]
    began = time.perf_counter()
    for index, result in zip(range(start, stop), results, strict=True):
        chunk(index, result)
    return (time.perf_counter() - began) / (stop - start)


def t16(bench: Bench) -> Report:
    """T16: save(state) after each chunk."""
    total = bench.size(2_000, 200)
    report = Report("T16", f"save(state) after each of {total:,} chunks")
    with bench.place() as folder:
        plan, ours = _Plan(folder / "plan.json", total), _Ours(folder / "ours.json", total)
        ways = {_PLAN: plan.chunk, _OURS: ours.chunk}
        found: dict[str, list[float]] = {name: [] for name in ways}
        for start in range(0, total, _BLOCK):
            # In turn, and each first as often as the other: what the disk does meanwhile is shared.
            for name in list(ways)[:: 1 if start % (2 * _BLOCK) else -1]:
                found[name].append(_block(ways[name], start, min(start + _BLOCK, total)))
        state = ours.manager.load()
        assert state is not None
        assert state.results() == dict(enumerate(plan.state["processed_results"]))
        ours.manager.close()
    series = {name: Series(blocks, blocks) for name, blocks in found.items()}
    title = f"One save, over the whole job; blocks of {_BLOCK}"
    report.tables.append(measure.table(title, series, _PLAN, unit="ms", scale=1e3))
    whole = sum(found[_OURS]) / sum(found[_PLAN])
    seconds = {name: sum(blocks) * _BLOCK for name, blocks in found.items()}
    note = f"{seconds[_OURS]:,.1f} s and {seconds[_PLAN]:,.1f} s"
    report.verdicts.append(Verdict("the whole job: save(state) ÷ the plan's file writing", whole, 0.5, note=note))
    return report
