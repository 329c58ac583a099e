"""T6, T7 and T9: the first pending chunk, all results, and the room they take."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine, measure, workload
from benchmarks.contenders import RAW_AGAIN
from benchmarks.measure import Report, Row, Table, Verdict
from benchmarks.peers import PEERS, why_missing
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.measure import Runner

_OURS: Final = "checkpoint_store"
_RAW_PAGES: Final = "raw keyset pages of 500 + json.loads"
_RAW_INDICES: Final = "raw sqlite3, load the completed indices"
_LEFT: Final = 10
_MEBI: Final = 1024 * 1024
_SLICE: Final = 5_000


def _both(folder: Path, total: int, done: int) -> str:
    """Make our store and the reference with ``done`` of ``total`` chunks in each; return the job's id."""
    job_id = workload.create_ours(folder / "store.db", total)
    workload.fill_ours(folder / "store.db", job_id, 0, done)
    workload.fill_raw(folder / "raw.db", 0, done)
    return job_id


def first_pending(path: str, job_id: str) -> dict[str, Any]:
    """Return the memory that finding the first pending chunk takes."""
    with CheckpointStore(path, state_file=None) as store, machine.Memory() as memory:
        index = next(iter(store.job(job_id).pending())).index
    return {"index": index, "growth": memory.growth_bytes}


def all_results(path: str, job_id: str) -> dict[str, Any]:
    """Return the memory that streaming all results takes."""
    with CheckpointStore(path, state_file=None) as store, machine.Memory() as memory:
        count = sum(1 for _ in store.job(job_id).results(missing="skip"))
    return {"count": count, "growth": memory.growth_bytes}


def _growth(what: str, growth: int | None, limit_mebi: float) -> Verdict:
    note = "" if growth is not None else "only Linux tells (/proc/self/clear_refs)"
    return Verdict(what, None if growth is None else growth / _MEBI, limit_mebi, unit="MiB", note=note)


def t6(bench: Bench) -> Report:
    """T6: what is left of a job that is nearly done."""
    total = bench.size(1_000_000, 6_000)
    report = Report("T6", f"The first pending chunk where all but {_LEFT} of {total:,} are done")
    with bench.place() as folder:
        job_id = _both(folder, total, total - _LEFT)
        with (
            CheckpointStore(folder / "store.db", state_file=None) as store,
            closing(workload.open_raw(folder / "raw.db")) as raw,
        ):
            job = store.job(job_id)

            def load() -> int:
                rows = raw.execute("SELECT chunk_index FROM completed_chunks WHERE job_id = ?", (workload.JOB_ID,))
                return len({index for (index,) in rows})

            def first() -> int:
                return next(iter(job.pending())).index

            assert first() == load() == total - _LEFT
            runners = {
                _RAW_INDICES: measure.timed(load),
                RAW_AGAIN: measure.timed(load),
                f"{_OURS}: first of pending()": measure.timed(first),
                f"{_OURS}: all of pending()": measure.timed(lambda: sum(1 for _ in job.pending())),
                f"{_OURS}: progress()": measure.timed(job.progress),
            }
            found = measure.interleave(runners, bench.rounds(15, 3))
        memory = machine.in_child("targets_reading:first_pending", path=str(folder / "store.db"), job_id=job_id)
    report.tables.append(measure.table("From an open store", found, _RAW_INDICES, unit="ms", scale=1e3))
    report.verdicts += [
        Verdict(
            "first of pending() ÷ raw load of the indices",
            measure.middle_ratio(found, f"{_OURS}: first of pending()", _RAW_INDICES),
            1.5,
        ),
        _growth("extra memory", memory["growth"], 16.0),
    ]
    return report


def _raw_results(connection: sqlite3.Connection) -> Iterator[Any]:
    after = -1
    statement = (
        "SELECT chunk_index, result FROM chunk_results WHERE job_id = ? AND chunk_index > ? "
        "ORDER BY chunk_index LIMIT 500"
    )
    while page := connection.execute(statement, (workload.JOB_ID, after)).fetchall():
        for _, text in page:
            yield json.loads(text)
        after = page[-1][0]


def _slices(start: Callable[[], Iterator[Any]]) -> Runner:
    """A runner whose block is the next 5,000 results; after the last result it begins again with the first."""
    stream = start()

    def run() -> list[float]:
        nonlocal stream
        before = time.perf_counter()
        count = sum(1 for _ in islice(stream, _SLICE))
        if count == 0:
            stream = start()
            before = time.perf_counter()
            count = sum(1 for _ in islice(stream, _SLICE))
        return [(time.perf_counter() - before) / count]

    return run


def t7(bench: Bench) -> Report:
    """T7: streaming all results."""
    total = bench.size(1_000_000, 6_000)
    report = Report("T7", f"Streaming {total:,} results")
    with bench.place() as folder:
        job_id = _both(folder, total, total)
        with (
            CheckpointStore(folder / "store.db", state_file=None) as store,
            closing(workload.open_raw(folder / "raw.db")) as raw,
        ):
            job = store.job(job_id)
            assert next(job.results(missing="skip")) == next(_raw_results(raw)) == workload.result(0)
            runners = {
                _RAW_PAGES: _slices(lambda: _raw_results(raw)),
                RAW_AGAIN: _slices(lambda: _raw_results(raw)),
                f"{_OURS}: results()": _slices(job.results),
            }
            found = measure.interleave(runners, max(3, total // _SLICE - 1))
        memory = machine.in_child("targets_reading:all_results", path=str(folder / "store.db"), job_id=job_id)
    assert memory["count"] == total
    report.tables.append(measure.table(f"One result, read in slices of {_SLICE:,}", found, _RAW_PAGES))
    report.verdicts += [
        Verdict("results() ÷ raw", measure.middle_ratio(found, f"{_OURS}: results()", _RAW_PAGES), 1.3),
        _growth("growth over the whole stream", memory["growth"], 20.0),
    ]
    return report


def t9(bench: Bench) -> Report:
    """T9: bytes on disk."""
    count = bench.size(10_000, 1_000)
    report = Report("T9", f"Bytes on disk for {count:,} results")
    written = sum(len(workload.text_of(index).encode()) for index in range(count))
    sizes: dict[str, int] = {}
    with bench.place() as folder:
        ours = folder / "ours"
        ours.mkdir()
        job_id = workload.create_ours(ours / "store.db")
        with CheckpointStore(ours / "store.db", state_file=None) as store:
            job = store.job(job_id)
            for first in range(0, count, 500):
                some = range(first, min(first + 500, count))
                job.complete_many([(index, workload.result(index)) for index in some])
        sizes[_OURS] = _bytes(ours)
        for page_size in (4096, 8192, 16384):
            place = folder / f"raw-{page_size}"
            place.mkdir()
            with closing(sqlite3.connect(place / "raw.db")) as connection:
                connection.execute(f"PRAGMA page_size = {page_size}")
                connection.execute("VACUUM")
            workload.fill_raw(place / "raw.db", 0, count)
            sizes[f"raw sqlite3, {page_size // 1024} KiB pages"] = _bytes(place)
        for peer in PEERS:
            if why_missing(peer) is None and peer.name != "langgraph put, state holds all results":
                few = min(count, 300)
                sizes[f"{peer.name} ({few:,} results)"] = (
                    _peer_bytes(peer.make, folder / peer.name[:9], few) * count // few
                )
    rows = [
        Row(name, size / count, size / count, size / count, None, size / written, size / written, size / written, count)
        for name, size in sorted(sizes.items(), key=lambda pair: pair[1])
    ]
    report.tables.append(Table(f"Bytes per result of {written / count:,.0f} bytes of JSON", "bytes", "JSON", rows))
    report.verdicts.append(Verdict("bytes on disk ÷ bytes of JSON", sizes[_OURS] / written, 1.3))
    return report


def _peer_bytes(make: Callable[[Path], Any], place: Path, count: int) -> int:
    place.mkdir(exist_ok=True)
    before = _bytes(place)
    session = make(place)
    try:
        session.run(0, count)
    finally:
        session.close()
    return _bytes(place) - before


def _bytes(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
