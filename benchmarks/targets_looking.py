"""T12, T13 and T17: looking at many jobs, looking while results are exported, and how soon the command answers."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import CheckpointStore, JobPaused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench
    from checkpoint_store import Job

_COMMAND: Final = "import sys; from checkpoint_store.cli import main; sys.argv[1:] = {words!r}; main()"


def _command(*words: object) -> str:
    return _COMMAND.format(words=[str(word) for word in words])


# An installed library has its bytecode beside it; here the first round writes it, whatever the caller's shell says.
_ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _cpu_seconds(program: str) -> list[float]:
    """Return the processor time of a program: its time by the clock depends on what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd=machine.ROOT,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


def _own_cpu_seconds(call: Callable[[], object]) -> list[float]:
    before = time.process_time()
    call()
    return [time.process_time() - before]


def _with_jobs(path: Path, count: int) -> Path:
    with CheckpointStore(path, state_file=None, durability="process") as store:
        for number in range(count):
            store.open_job(f"talk-{number}.srt", total_chunks=3, model="m", config={"chunk_size": 2000}).complete(0, 1)
    return path


def t12(bench: Bench) -> Report:
    """T12: many jobs."""
    many, most = bench.size(1_000, 30), bench.size(10_000, 100)
    report = Report("T12", f"checkpoint-store list with {many:,} jobs, and store.jobs() with {most:,}")
    with bench.place() as folder:
        one, more = _with_jobs(folder / "one.db", 1), _with_jobs(folder / "many.db", many)
        programs = {
            "list, one job": _command("list", "--store", one),
            f"list, {many:,} jobs": _command("list", "--store", more),
        }
        found = measure.interleave(
            {name: partial(_cpu_seconds, program) for name, program in programs.items()}, bench.rounds(10, 1)
        )
        with CheckpointStore(_with_jobs(folder / "most.db", most), state_file=None) as store:
            jobs = measure.interleave({"store.jobs()": partial(_own_cpu_seconds, store.jobs)}, bench.rounds(10, 2))
    (reference, large) = programs
    report.tables.append(
        measure.table("The command, from start to end, CPU time", found, reference, unit="ms", scale=1e3)
    )
    ratio, seconds = measure.middle_ratio(found, large, reference), measure.quartiles(jobs["store.jobs()"].seconds)[1]
    report.verdicts.append(Verdict(f"list with {many:,} jobs ÷ with one", ratio, 1.5))
    report.verdicts.append(Verdict(f"store.jobs() with {most:,}, CPU time", seconds, 0.1, unit="s"))
    return report


class _Exporting:
    """Exports a job again and again in another thread."""

    def __init__(self, store: CheckpointStore, job_id: str, out: Path) -> None:
        self._job, self._out = store.job(job_id), out
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            self._job.export(self._out)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


_QUIET, _QUIET_AGAIN, _BESIDE = "quiet", "the same once more (noise)", "beside an export"


def _paused(job: Job) -> float:
    """Return the seconds from a request to pause until a loop of another thread has ended by it."""
    at_work, ended = threading.Event(), threading.Event()

    def loop() -> None:
        try:
            for _ in job.pending():
                at_work.set()
                time.sleep(0.005)
        except JobPaused:
            pass
        ended.set()

    thread = threading.Thread(target=loop)
    thread.start()
    at_work.wait()
    before = time.perf_counter()
    job.pause()
    ended.wait()
    seconds = time.perf_counter() - before
    thread.join()
    job.resume()
    return seconds


def _looks(store: CheckpointStore, job_id: str, count: int) -> dict[str, list[float]]:
    """Return the seconds of looks at a job's progress and of claims, one every few milliseconds, and of pauses."""
    found: dict[str, list[float]] = {"progress()": [], "a claim": []}
    job = store.job(job_id)
    pending = job.pending()
    for _ in range(count):
        for name, look in (("progress()", job.progress), ("a claim", lambda: next(pending))):
            before = time.perf_counter()
            look()
            found[name].append(time.perf_counter() - before)
            time.sleep(0.005)
    return {**found, "a pause's notice": [_paused(job) for _ in range(max(1, count // 20))]}


def t13(bench: Bench) -> Report:
    """T13: looking while results are exported."""
    count, looks = bench.size(20_000, 500), bench.size(60, 20)
    report = Report("T13", f"Looks, claims and pauses while {count:,} results are exported by the same process")
    with bench.place() as folder:
        path = folder / "store.db"
        job_id = workload.create_ours(path)
        workload.fill_ours(path, job_id, 0, count)
        with CheckpointStore(path, state_file=None) as store:

            def beside() -> dict[str, list[float]]:
                with _Exporting(store, job_id, folder / "out.json"):
                    return _looks(store, job_id, looks)

            blocks: dict[str, list[dict[str, list[float]]]] = {_QUIET: [], _QUIET_AGAIN: [], _BESIDE: []}
            for _ in range(bench.rounds(10, 1)):
                blocks[_QUIET].append(_looks(store, job_id, looks))
                blocks[_BESIDE].append(beside())
                blocks[_QUIET_AGAIN].append(_looks(store, job_id, looks))
    for name in blocks[_QUIET][0]:
        series = {}
        for where, found in blocks.items():
            seconds = [one[name] for one in found]
            series[where] = Series([one for block in seconds for one in block], [median(block) for block in seconds])
        report.tables.append(measure.table(name, series, _QUIET, unit="ms", scale=1e3))
        slowest = {where: measure.percentile(one.seconds, 0.99) for where, one in series.items()}
        noise = f"noise {slowest[_QUIET_AGAIN] / slowest[_QUIET]:.2f}"
        ratio = slowest[_BESIDE] / slowest[_QUIET]
        report.verdicts.append(Verdict(f"{name}, p99 beside an export ÷ p99 alone", ratio, 3.0, note=noise))
    return report


def t17(bench: Bench) -> Report:
    """T17: the command's first answer."""
    report = Report("T17", "The command in a fresh interpreter")
    with bench.place() as folder:
        path = _with_jobs(folder / "one.db", 1)
        programs: dict[str, Any] = {
            "import click": "import click",
            "--version": _command("--version"),
            "import sqlalchemy, click": "import sqlalchemy, click",
            "import sqlalchemy, click once more": "import sqlalchemy, click",
            "list": _command("list", "--store", path),
        }
        runners = {name: partial(_cpu_seconds, program) for name, program in programs.items()}
        found = measure.interleave(runners, bench.rounds(30, 2))
    report.tables.append(measure.table("From start to end, CPU time", found, "import click", unit="ms", scale=1e3))
    version = measure.middle_ratio(found, "--version", "import click")
    report.verdicts.append(Verdict("--version ÷ import click", version, 2.0))
    listed = measure.middle_ratio(found, "list", "import sqlalchemy, click")
    again = measure.middle_ratio(found, "import sqlalchemy, click once more", "import sqlalchemy, click")
    report.verdicts.append(Verdict("list ÷ import sqlalchemy, click", listed, 1.5, note=f"noise {again:.2f}"))
    return report
