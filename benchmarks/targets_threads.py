"""T3: many threads on one job, on this disk and on one whose fsync takes 2 ms longer."""

from __future__ import annotations

import random
import statistics
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.bench import Bench

    Step = Callable[[int, Any], None]

LOCK: Final = "lock + commit each, raw sqlite3"
LOCK_AGAIN: Final = "the same once more (noise)"
EACH: Final = "a connection per thread, raw sqlite3"
OURS: Final = "checkpoint_store"


def series(folder: str, threads: Sequence[int], each: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Return for every contender and number of threads: wall seconds per checkpoint, and the longest wait."""
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        steps = _steps(stack, Path(folder))
        cells = [(name, number) for name in steps for number in threads]
        done = dict.fromkeys(steps, 0)
        shuffled = random.Random(3)
        for turn in range(-1, rounds):
            shuffled.shuffle(cells)
            for name, number in cells:
                count = max(each, each * 8 // number)
                wall, longest = _crowd(steps[name], number, done[name], count)
                done[name] += number * count
                if turn >= 0:
                    cell = found.setdefault(f"{name} × {number}", {"seconds": [], "longest": 0.0})
                    cell["seconds"].append(wall / (number * count))
                    cell["longest"] = max(cell["longest"], longest)
    return found


def _steps(stack: ExitStack, folder: Path) -> dict[str, Step]:
    return {
        LOCK: _locked(stack, folder / "lock.db"),
        LOCK_AGAIN: _locked(stack, folder / "again.db"),
        EACH: _connection_each(stack, folder / "each.db"),
        OURS: _ours(stack, folder / "store.db"),
    }


def _locked(stack: ExitStack, path: Path) -> Step:
    connection, lock = stack.enter_context(closing(workload.open_raw(path))), threading.Lock()

    def step(index: int, _: Any) -> None:
        text = workload.text_of(index)
        with lock:
            workload.raw_checkpoint(connection, index, text)

    return step


def _connection_each(stack: ExitStack, path: Path) -> Step:
    stack.enter_context(closing(workload.open_raw(path)))
    own = threading.local()

    def step(index: int, _: Any) -> None:
        if not hasattr(own, "connection"):
            own.connection = workload.open_raw(path, timeout=60.0)  # closed with its thread
        workload.raw_checkpoint(own.connection, index, workload.text_of(index))

    return step


def _ours(stack: ExitStack, path: Path) -> Step:
    job_id = workload.create_ours(path)
    return stack.enter_context(CheckpointStore(path)).job(job_id).complete


def _crowd(step: Step, threads: int, start: int, each: int) -> tuple[float, float]:
    """Run ``each`` checkpoints in each of so many threads; return the wall time and the longest single wait."""
    gate = threading.Barrier(threads + 1)
    longest = [0.0] * threads
    errors: list[BaseException] = []

    def work(number: int) -> None:
        items = [(start + number * each + at, workload.result(start + number * each + at)) for at in range(each)]
        gate.wait()
        try:
            for index, item in items:
                before = time.perf_counter()
                step(index, item)
                longest[number] = max(longest[number], time.perf_counter() - before)
        except BaseException as error:  # told in the main thread
            errors.append(error)

    crowd = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for one in crowd:
        one.start()
    gate.wait()
    before = time.perf_counter()
    for one in crowd:
        one.join()
    wall = time.perf_counter() - before
    if errors:
        raise errors[0]
    return wall, max(longest)


def t3(bench: Bench) -> Report:
    """T3: threads."""
    report = Report("T3", "Threads that complete chunks of one job")
    with bench.place() as folder:
        _measured(bench, report, "on this disk", folder, env=None, limit=3.0)
        slow = machine.slow_disk(folder)
        if slow is None:
            report.verdicts.append(
                Verdict("32 threads, fsync 2 ms slower", None, 10.0, ">=", note="there is no C compiler (cc) here")
            )
        else:
            _measured(bench, report, "with fsync 2 ms slower", folder, env=slow, limit=10.0)
    return report


def _measured(
    bench: Bench, report: Report, where: str, base: Path, *, env: dict[str, str] | None, limit: float
) -> None:
    bench.say(f"   threads {where}")
    with bench.place(base) as folder:
        cells = machine.in_child(
            "targets_threads:series",
            env=env,
            folder=str(folder),
            threads=[1, 32] if bench.quick else [1, 8, 32],
            each=2 if bench.quick else (30 if env else 60),
            rounds=bench.rounds(6 if env else 10, 2),
        )
    found = {name: Series(cell["seconds"], cell["seconds"]) for name, cell in cells.items()}
    notes = {
        name: f"{1 / statistics.median(cell['seconds']):,.0f} a second; longest wait {cell['longest'] * 1e3:,.0f} ms"
        for name, cell in cells.items()
    }
    title = f"Wall time per checkpoint {where}, by number of threads"
    report.tables.append(measure.table(title, found, f"{LOCK} × 32", notes=notes))
    rates = measure.ratios(found[f"{LOCK} × 32"], found[f"{OURS} × 32"])
    low, middle, high = measure.quartiles(rates)
    report.verdicts.append(
        Verdict(f"32 threads, {where}: as fast", middle, limit, ">=", note=f"quartiles {low:.2f} to {high:.2f}")
    )
    alone = measure.middle_ratio(found, f"{OURS} × 1", f"{LOCK} × 1")
    report.verdicts.append(Verdict(f"one thread, {where} ÷ raw", alone, 1.25))
