"""T12, T13 and T17: looking at many jobs, looking while results are exported, and how soon the command answers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from benchmarks import measure, workload
from benchmarks.measure import Report, Series, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

_COMMAND: Final = "import sys; from checkpoint_store.cli import main; sys.argv[1:] = {words!r}; main()"


def _command(*words: object) -> str:
    return _COMMAND.format(words=[str(word) for word in words])


def _run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
            {name: measure.timed(partial(_run, program)) for name, program in programs.items()}, bench.rounds(10, 1)
        )
        with CheckpointStore(_with_jobs(folder / "most.db", most), state_file=None) as store:
            jobs = measure.interleave({"store.jobs()": measure.timed(store.jobs)}, bench.rounds(10, 2))
    (reference, large) = programs
    report.tables.append(measure.table("The command, from start to end", found, reference, unit="ms", scale=1e3))
    ratio, seconds = measure.middle_ratio(found, large, reference), measure.quartiles(jobs["store.jobs()"].seconds)[1]
    report.verdicts.append(Verdict(f"list with {many:,} jobs ÷ with one", ratio, 1.5))
    report.verdicts.append(Verdict(f"store.jobs() with {most:,}", seconds, 0.1, unit="s"))
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


def _looks(store: CheckpointStore, job_id: str, count: int) -> dict[str, list[float]]:
    """Return the seconds of looks at a job's progress, and of claims, one every few milliseconds."""
    found: dict[str, list[float]] = {"progress()": [], "a claim": []}
    job = store.job(job_id)
    pending = job.pending()
    for _ in range(count):
        for name, look in (("progress()", job.progress), ("a claim", lambda: next(pending))):
            before = time.perf_counter()
            look()
            found[name].append(time.perf_counter() - before)
            time.sleep(0.005)
    return found


def t13(bench: Bench) -> Report:
    """T13: looking while results are exported."""
    count, looks = bench.size(20_000, 500), bench.size(400, 20)
    report = Report("T13", f"Looks and claims while {count:,} results are exported by the same process")
    with bench.place() as folder:
        path = folder / "store.db"
        job_id = workload.create_ours(path)
        workload.fill_ours(path, job_id, 0, count)
        with CheckpointStore(path, state_file=None) as store:
            quiet = _looks(store, job_id, looks)
            with _Exporting(store, job_id, folder / "out.json"):
                busy = _looks(store, job_id, looks)
    for name, seconds in quiet.items():
        series = {"quiet": Series(seconds, seconds), "beside an export": Series(busy[name], busy[name])}
        report.tables.append(measure.table(name, series, "quiet", unit="ms", scale=1e3))
        ratio = measure.percentile(busy[name], 0.99) / measure.percentile(seconds, 0.99)
        report.verdicts.append(Verdict(f"{name}, p99 beside an export ÷ p99 alone", ratio, 3.0))
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
            "list": _command("list", "--store", path),
        }
        runners = {name: measure.timed(partial(_run, program)) for name, program in programs.items()}
        found = measure.interleave(runners, bench.rounds(30, 2))
    report.tables.append(measure.table("From start to end", found, "import click", unit="ms", scale=1e3))
    version = measure.middle_ratio(found, "--version", "import click")
    report.verdicts.append(Verdict("--version ÷ import click", version, 2.0))
    listed = measure.middle_ratio(found, "list", "import sqlalchemy, click")
    report.verdicts.append(Verdict("list ÷ import sqlalchemy, click", listed, 1.5))
    return report
