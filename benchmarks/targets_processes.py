"""T4: four processes that complete chunks of one job as fast as they can."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench

PROCESSES: Final = 4
_RAW: Final = "raw sqlite3, BEGIN IMMEDIATE, SQLite's back-off"
_RAW_AGAIN: Final = "the same once more (noise)"
_OURS: Final = "checkpoint_store"


def worker(kind: str, folder: str, job_id: str, number: int, seconds: float) -> dict[str, Any]:
    """Complete every fourth chunk for so many seconds; return how many, the longest wait and the errors."""
    place = Path(folder)
    if kind == _OURS:
        with CheckpointStore(place / "store.db") as store:
            return _work(store.job(job_id).complete, workload.result, place, number, seconds)
    with closing(workload.open_raw(place / "raw.db", timeout=60.0)) as connection:

        def step(index: int, text: Any) -> None:
            workload.raw_checkpoint(connection, index, text)

        return _work(step, workload.text_of, place, number, seconds)


def _work(
    step: Callable[[int, Any], None], item: Callable[[int], Any], place: Path, number: int, seconds: float
) -> dict[str, Any]:
    (place / f"ready-{number}").touch()
    while not (place / "go").exists():
        time.sleep(0.001)
    index, done, longest = number, 0, 0.0
    errors: list[str] = []
    clock = time.perf_counter
    end = clock() + seconds
    while (before := clock()) < end:
        try:
            step(index, item(index))
        except Exception as error:  # counted
            errors.append(f"{type(error).__name__}: {error}")
        else:
            done += 1
        longest = max(longest, clock() - before)
        index += PROCESSES
    return {"done": done, "longest": longest, "errors": errors}


def _crowd(kind: str, folder: Path, seconds: float) -> list[dict[str, Any]]:
    job_id = workload.create_ours(folder / "store.db") if kind == _OURS else ""
    if kind != _OURS:
        workload.open_raw(folder / "raw.db").close()
    commands = [
        machine.child_command(
            "targets_processes:worker", kind=kind, folder=str(folder), job_id=job_id, number=number, seconds=seconds
        )
        for number in range(PROCESSES)
    ]
    crowd = [subprocess.Popen(command, cwd=machine.ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    try:
        while not all((folder / f"ready-{number}").exists() for number in range(PROCESSES)):
            if any(one.poll() is not None for one in crowd):
                raise RuntimeError(f"a process of {kind} ended before it began")
            time.sleep(0.005)
        (folder / "go").touch()
        return [json.loads(one.communicate(timeout=seconds + 120)[0].splitlines()[-1]) for one in crowd]
    finally:
        for one in crowd:
            if one.poll() is None:
                one.kill()
            one.wait()


def t4(bench: Bench) -> Report:
    """T4: processes."""
    report = Report("T4", f"{PROCESSES} processes that complete chunks of one job")
    seconds = 0.5 if bench.quick else 5.0
    outcomes: dict[str, list[list[dict[str, Any]]]] = {_RAW: [], _OURS: []}
    if not bench.quick:
        outcomes[_RAW_AGAIN] = []
    for _ in range(bench.rounds(6, 1)):
        for kind, rounds in outcomes.items():
            with bench.place() as folder:
                rounds.append(_crowd(kind, folder, seconds))
    found, notes = {}, {}
    for kind, rounds in outcomes.items():
        per_checkpoint = [seconds / sum(one["done"] for one in crowd) for crowd in rounds]
        found[kind] = Series(per_checkpoint, per_checkpoint)
        notes[kind] = (
            f"{1 / statistics.median(per_checkpoint):,.0f} a second; least ÷ most busy {_fairness(rounds):.2f}; "
            f"longest wait {_longest(rounds):.2f} s; {len(_errors(rounds))} errors"
        )
    report.tables.append(measure.table("Wall time per checkpoint, all together", found, _RAW, notes=notes))
    ours = outcomes[_OURS]
    report.verdicts += [
        Verdict("least ÷ most busy process (median of the rounds)", _fairness(ours), 0.6, ">=", ""),
        Verdict("longest wait of all rounds", _longest(ours), 1.5, "<=", "s"),
        Verdict("errors", len(_errors(ours)), 0, "<=", "", "; ".join(sorted(set(_errors(ours)))[:3])),
    ]
    report.notes.append(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, no work between two checkpoints")
    return report


def _fairness(rounds: list[list[dict[str, Any]]]) -> float:
    shares = [min(one["done"] for one in crowd) / max(one["done"] for one in crowd) for crowd in rounds]
    return float(statistics.median(shares))


def _longest(rounds: list[list[dict[str, Any]]]) -> float:
    return max(float(one["longest"]) for crowd in rounds for one in crowd)


def _errors(rounds: list[list[dict[str, Any]]]) -> list[str]:
    return [error for crowd in rounds for one in crowd for error in one["errors"]]
