"""Read what can still be read of a store file, row by row, whatever its state."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import codec
from checkpoint_store._db.schema import jobs as jobs_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_JOB_COLUMNS: Final = tuple(column.name for column in jobs_table.columns)
_MOST_JOBS: Final = 100_000
_PATIENCE: Final = 20_000
"""How many keys in a row may fail to read before the rest is given up."""


@dataclass(slots=True)
class Chunk:
    """What a copy says of a completed chunk. ``text`` is None where its result was not found."""

    completed_at: str
    fingerprint: str | None
    digest: str | None
    text: str | None = None


@dataclass(slots=True)
class Copy:
    """What one surviving copy knows. Results in it are verified, each by a digest of this same copy."""

    name: str
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    chunks: dict[str, dict[int, Chunk]] = field(default_factory=dict)
    complete: bool = True
    """Whether everything in it could be read."""

    def chunk(self, job_id: str, index: int, at: str) -> Chunk:
        """Return the entry for a chunk, making it where it is not known yet."""
        return self.chunks.setdefault(job_id, {}).setdefault(index, Chunk(at, None, None))


def read_copy(path: Path, name: str) -> Copy:
    """Return what can be read of the store file at ``path``; empty where nothing can."""
    copy = Copy(name)
    try:
        with closing(_open(path)) as driver:
            _read_jobs(driver, copy)
            _read_completed(driver, copy)
            _read_results(driver, copy)
    except sqlite3.Error:
        copy.complete = False
    return copy


def _open(path: Path) -> sqlite3.Connection:
    # No one has it open (the caller has seen to that), so without a log no lock, and no file beside it, is needed.
    options = "mode=ro" if os.path.exists(f"{path}-wal") or os.path.exists(f"{path}-journal") else "mode=ro&immutable=1"  # noqa: PTH110
    driver = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=5, isolation_level=None)
    # What is no UTF-8 is damage, and shows as a digest that does not match.
    driver.text_factory = lambda raw: raw.decode("utf-8", "replace")
    driver.execute("PRAGMA writable_schema = ON")  # else a file shorter than its header says is not read at all
    driver.execute("PRAGMA query_only = ON")
    driver.execute("PRAGMA trusted_schema = OFF")
    driver.execute("PRAGMA temp_store = MEMORY")
    return driver


def _rows(
    copy: Copy, fetch: Callable[[int], Iterator[tuple[Any, ...]]], first: int, last: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows with keys from ``first`` to ``last``; ``fetch(k)`` gives those from key ``k``, key first.

    Where reading stops, it goes on one key further, so a bad page costs the rows on it and no others.
    """
    start, missed = first, 0
    while start <= last and missed < _PATIENCE:
        try:
            for row in fetch(start):
                if not isinstance(row[0], int):
                    raise sqlite3.DatabaseError("a key is no number")
                start, missed = row[0] + 1, 0
                yield row
        except sqlite3.Error:
            copy.complete = False
            start, missed = start + 1, missed + 1
        else:
            return


def _read_jobs(driver: sqlite3.Connection, copy: Copy) -> None:
    columns = ", ".join(_JOB_COLUMNS)
    statement = f"SELECT {columns} FROM jobs WHERE job_number >= ? ORDER BY job_number"  # noqa: S608 - our own names
    for row in _rows(copy, lambda key: driver.execute(statement, (key,)), 0, _top(driver, "jobs", _MOST_JOBS)):
        values = dict(zip(_JOB_COLUMNS, row, strict=True))
        if _sound_job(values):
            copy.jobs[values["job_id"]] = values
        else:
            copy.complete = False


def _sound_job(values: dict[str, Any]) -> bool:
    counts = (values["total_chunks"], values["completed_count"])
    try:
        config = codec.decode(values["config"])
    except (TypeError, ValueError):
        return False
    return (
        isinstance(config, dict)
        and all(isinstance(count, int) for count in counts)
        and 0 <= values["completed_count"] <= values["total_chunks"]
        and values["status"] in ("running", "paused", "completed", "failed")
        and all(isinstance(values[name], str) and values[name] for name in ("job_id", "file_name", "started_at"))
    )


def _top(driver: sqlite3.Connection, table: str, otherwise: int) -> int:
    with suppress(sqlite3.Error):
        found = driver.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        return int(found or 0)
    return otherwise


def _read_completed(driver: sqlite3.Connection, copy: Copy) -> None:
    statement = (
        "SELECT chunk_index, completed_at, fingerprint, digest FROM completed_chunks "
        "WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index"
    )
    for job_id, values in copy.jobs.items():

        def fetch(key: int, job_id: str = job_id) -> Iterator[tuple[Any, ...]]:
            return driver.execute(statement, (job_id, key))

        for index, at, fingerprint, digest in _rows(copy, fetch, 0, values["total_chunks"] - 1):
            chunk = copy.chunk(job_id, index, str(at))
            chunk.fingerprint, chunk.digest = fingerprint, digest


def _read_results(driver: sqlite3.Connection, copy: Copy) -> None:
    statement = (
        "SELECT rowid, job_id, chunk_index, result, digest FROM chunk_results NOT INDEXED "
        "WHERE rowid >= ? ORDER BY rowid"
    )
    likely = sum(values["completed_count"] for values in copy.jobs.values()) * 2 + _PATIENCE
    top = _top(driver, "chunk_results", likely)
    for _, job_id, index, text, digest in _rows(copy, lambda key: driver.execute(statement, (key,)), 0, top):
        if not isinstance(text, str) or not isinstance(index, int) or not isinstance(job_id, str):
            copy.complete = False
            continue
        found = codec.digest(job_id, index, text)
        known = copy.chunks.get(job_id, {}).get(index)
        if found != digest and (known is None or found != known.digest):
            copy.complete = False
            continue
        chunk = copy.chunk(job_id, index, copy.jobs.get(job_id, {}).get("updated_at", ""))
        chunk.text, chunk.digest = text, found
