"""T14 and T14b: the bytes that a job writes, and the room that its results take."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine
from benchmarks.measure import Report, Row, Table, Verdict
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench

_CHUNK_SECONDS: Final = 1.5
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz      "
_KIB: Final = (0.5, 1, 2, 3, 4, 6, 8, 12, 16, 30, 50)
_BYTES_EACH: Final = 4_000_000


def _results(count: int, size_bytes: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(1)
    text = "".join(dice.choices(_LETTERS, k=100_000))
    for index in range(count):
        start = dice.randrange(len(text) - size_bytes)
        yield {"index": index, "text": text[start : start + size_bytes - 30]}


def _written() -> int:
    with open("/proc/self/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("wchar"))


def written(folder: str, count: int, *, claims: bool) -> dict[str, Any]:
    """Return the bytes that a whole job hands to the system, by a clock that a chunk moves by 1.5 s."""
    import time  # the clock of this process alone is moved

    real, passed = time.monotonic, [0.0]
    time.monotonic = lambda: real() + passed[0]
    results = list(_results(count, 4096))
    before = _written()
    with CheckpointStore(f"{folder}/store.db") as store, store.open_job("talk.srt", total_chunks=count) as job:
        if claims:
            for chunk in job.pending():
                passed[0] += _CHUNK_SECONDS
                chunk.complete(results[chunk.index])
        else:
            for index, result in enumerate(results):
                passed[0] += _CHUNK_SECONDS
                job.complete(index, result)
    after = _written()
    return {"written": after - before, "json": sum(len(json.dumps(result)) for result in results)}


def t14(bench: Bench) -> Report:
    """T14: bytes written."""
    count = bench.size(2_000, 200)
    report = Report("T14", f"Bytes written by a job of {count:,} chunks of 4 KB at 1.5 s a chunk, all files")
    rows = []
    for claims, name in ((False, "complete"), (True, "pending + complete")):
        with bench.place() as folder:
            found = machine.in_child("targets_bytes:written", folder=str(folder), count=count, claims=claims)
        ratio = found["written"] / found["json"]
        each = found["written"] / count
        rows.append(Row(name, each, each, each, None, ratio, ratio, ratio, count))
        report.verdicts.append(Verdict(f"{name}: bytes written ÷ bytes of the results", ratio, 6.0))
    report.tables.append(Table("Bytes written for each result", "bytes", "JSON", rows))
    return report


def _filled(path: Path, size_bytes: int, count: int) -> float:
    results = list(_results(count, size_bytes))
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=count + 1)
        for start in range(0, count, 200):
            job.complete_many(enumerate(results[start : start + 200], start))
    return path.stat().st_size / sum(len(json.dumps(result)) for result in results)


def _all_files(folder: Path, count: int) -> float:
    results = list(_results(count, 4200))
    for _ in range(2):
        with CheckpointStore(folder / "store.db") as store, store.open_job("talk.srt", total_chunks=count) as job:
            for chunk in job.pending():
                chunk.complete(results[chunk.index])
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    return sizes / sum(len(json.dumps(result)) for result in results)


def t14b(bench: Bench) -> Report:
    """T14b: bytes on disk."""
    report = Report("T14B", "Bytes on disk for each byte of JSON, results all of one size")
    rows = []
    with bench.place() as folder:
        for size in _KIB:
            count = bench.size(int(_BYTES_EACH / size / 1024), 60)
            ratio = _filled(folder / f"{size}.db", int(size * 1024), count)
            each = ratio * size * 1024
            rows.append(Row(f"{size:g} KiB", each, each, each, None, ratio, ratio, ratio, count))
    worst = max(rows, key=lambda row: row.ratio)
    report.tables.append(Table("The store file", "bytes", "JSON", rows))
    report.verdicts.append(Verdict("the worst size", worst.ratio, 1.35, note=worst.label))
    with bench.place() as folder:
        count = bench.size(20_000, 300)
        report.verdicts.append(Verdict("all files after an end and a reopening", _all_files(folder, count), 4.0))
    return report
