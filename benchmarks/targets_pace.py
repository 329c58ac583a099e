"""T11 and T11b: the time of a chunk in a loop, with work that takes time and with work that takes none."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, workload
from benchmarks.measure import Report, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.bench import Bench

_RAW: Final = "raw sqlite3, three statements, one commit"
_RAW_AGAIN: Final = "the same once more (noise)"
_COMPLETE: Final = "complete"
_PENDING: Final = "pending + complete"
_MAP: Final = "map(workers=1)"
_MAP_8: Final = "map(workers=8)"
_WORK_SECONDS: Final = 0.02
_TOTAL: Final = 1_000_000


class Loop(ABC):
    """A loop over chunks that goes on from block to block."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._slept = 0.0

    def work(self, index: int) -> dict[str, Any]:
        """Take the time of one chunk's work, note how long it really was, and return a result."""
        if self._seconds:
            before = time.perf_counter()
            time.sleep(self._seconds)
            self._slept += time.perf_counter() - before
        return workload.result(index)

    def run(self, count: int) -> list[float]:
        """Return the mean seconds that a chunk took beyond its work, over a block of chunks."""
        self._slept = 0.0
        before = time.perf_counter()
        self.chunks(count)
        beyond = (time.perf_counter() - before - self._slept) / count
        time.sleep(3 * self._seconds)  # what was begun ahead ends here, and is in nobody's block
        return [beyond]

    @abstractmethod
    def chunks(self, count: int) -> None:
        """Work through the next chunks."""

    @abstractmethod
    def close(self) -> None:
        """Close everything."""


class _Raw(Loop):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(seconds)
        self._connection = workload.open_raw(path)
        self._next = 0

    def chunks(self, count: int) -> None:
        for index in range(self._next, self._next + count):
            self.work(index)
            workload.raw_checkpoint(self._connection, index, workload.text_of(index))
        self._next += count

    def close(self) -> None:
        self._connection.close()


class _Ours(Loop):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(seconds)
        self._store = CheckpointStore(path)
        self.job = self._store.open_job(workload.FILE_NAME, total_chunks=_TOTAL)

    def close(self) -> None:
        self._store.close()


class _Complete(_Ours):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(path, seconds)
        self._next = 0

    def chunks(self, count: int) -> None:
        for index in range(self._next, self._next + count):
            self.job.complete(index, self.work(index))
        self._next += count


class _Pending(_Ours):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(path, seconds)
        self._pending = self.job.pending()

    def chunks(self, count: int) -> None:
        for chunk in islice(self._pending, count):
            chunk.complete(self.work(chunk.index))


class _Map(_Ours):
    def __init__(self, path: Path, seconds: float, workers: int = 1) -> None:
        super().__init__(path, seconds)
        self._items: Iterator[Any] = iter(self.job.map(self.work, workers=workers))

    def chunks(self, count: int) -> None:
        for _ in islice(self._items, count):
            pass

    def close(self) -> None:
        close: Callable[[], None] = getattr(self._items, "close", lambda: None)
        close()
        super().close()


def _report(bench: Bench, report: Report, seconds: float, block: int, limits: dict[str, float]) -> Report:
    makers: dict[str, Callable[[Path], Loop]] = {
        _RAW: lambda path: _Raw(path, seconds),
        _RAW_AGAIN: lambda path: _Raw(path, seconds),
        _COMPLETE: lambda path: _Complete(path, seconds),
        _PENDING: lambda path: _Pending(path, seconds),
        _MAP: lambda path: _Map(path, seconds),
    }
    if _MAP_8 in limits:
        makers[_MAP_8] = lambda path: _Map(path, seconds, workers=8)
    with bench.place() as folder:
        loops = {name: make(folder / f"{number}.db") for number, (name, make) in enumerate(makers.items())}
        try:
            runners = {name: lambda loop=loop: loop.run(block) for name, loop in loops.items()}
            found = measure.interleave(runners, bench.rounds(40, 2))
        finally:
            for loop in loops.values():
                loop.close()
    report.tables.append(measure.table("One chunk, beyond its work; means of blocks", found, _RAW))
    for name, limit in limits.items():
        report.verdicts.append(Verdict(f"{name} ÷ raw", measure.middle_ratio(found, name, _RAW), limit))
    return report


def t11(bench: Bench) -> Report:
    """T11: a loop whose work takes time."""
    report = Report("T11", "The loop at work's pace: 20 ms of work a chunk, time beyond it, state file on")
    return _report(bench, report, _WORK_SECONDS, bench.size(25, 10), {_COMPLETE: 1.5, _PENDING: 2.2, _MAP: 2.5})


def t11b(bench: Bench) -> Report:
    """T11b: a loop whose work takes no time."""
    report = Report("T11B", "The loop with work that takes no time, state file on")
    return _report(bench, report, 0.0, bench.size(200, 20), {_PENDING: 1.6, _MAP: 1.8, _MAP_8: 0.8})
