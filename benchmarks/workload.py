"""The work of every contender: one result of 2.3 KB of JSON for each chunk, and stores that are filled quickly."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB_ID: Final = "6f1d0b3c-5f7d-4c1e-9a55-2b8f0c6d7e11"
NOW: Final = "2026-01-01T12:00:00.000000+00:00"
TOTAL: Final = 10_000_000
FILE_NAME: Final = "lecture.srt"
_WORDS: Final = (
    "so the gradient of this loss with respect to each weight is what we follow downhill and that means that every "
    "step we take depends on where we are now which is why the learning rate matters more than people think at first"
).split()
_POOL_SIZE: Final = 256
_BATCH: Final = 10_000

RAW_SCHEMA: Final = """
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY, status TEXT NOT NULL, file_name TEXT NOT NULL, video_title TEXT, model TEXT, provider TEXT,
  total_chunks INTEGER NOT NULL, started_at TEXT NOT NULL, updated_at TEXT NOT NULL, error_message TEXT,
  config TEXT NOT NULL
);
CREATE TABLE completed_chunks (
  job_id TEXT NOT NULL, chunk_index INTEGER NOT NULL, completed_at TEXT NOT NULL, PRIMARY KEY (job_id, chunk_index)
) WITHOUT ROWID;
CREATE TABLE chunk_results (
  job_id TEXT NOT NULL, chunk_index INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (job_id, chunk_index)
);
"""


def _made(seed: int) -> dict[str, Any]:
    dice = random.Random(seed)
    text = " ".join(dice.choice(_WORDS) for _ in range(440))
    return {
        "cleaned_text": text[:2000],
        "summary": text[-120:],
        "key_points": ["weights", "loss", "step"],
        "input_tokens": dice.randrange(400, 900),
        "output_tokens": dice.randrange(400, 900),
        "cost": round(dice.random() / 100, 6),
        "seconds": round(dice.random() * 9, 3),
    }


_POOL: Final = [_made(seed) for seed in range(_POOL_SIZE)]
_TIMES: Final = [f"2026-01-01T12:00:00.{number:06d}+00:00" for number in range(1000)]
_TAILS: Final = [json.dumps(one, ensure_ascii=False)[1:] for one in _POOL]


def result(index: int) -> dict[str, Any]:
    """Return the result of one chunk, a dict of its own."""
    return {"chunk_index": index, **_POOL[index % _POOL_SIZE]}


def text_of(index: int) -> str:
    """Return ``json.dumps(result(index))``, put together from parts that are made only once."""
    return f'{{"chunk_index": {index}, {_TAILS[index % _POOL_SIZE]}'


def open_raw(path: Path, *, synchronous: str = "FULL", timeout: float = 10.0) -> sqlite3.Connection:
    """Open (and create) the reference: SQLite alone, in WAL mode, otherwise with its default settings."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=timeout, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {RAW_SCHEMA} COMMIT;")
        connection.execute(
            "INSERT INTO jobs VALUES (?, 'running', ?, 'A lecture', 'a-model', 'a-provider', ?, ?, ?, NULL, '{}')",
            (JOB_ID, FILE_NAME, TOTAL, NOW, NOW),
        )
    return connection


def raw_checkpoint(connection: sqlite3.Connection, index: int, text: str, at: str | None = None) -> None:
    """One checkpoint at the limit: three statements in one transaction.

    Each checkpoint has another time, as from a clock, but made beforehand: SQLite writes no page that stays as it is,
    and would leave out the job's row.
    """
    at = at or _TIMES[index % len(_TIMES)]
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    execute("INSERT INTO completed_chunks VALUES (?, ?, ?)", (JOB_ID, index, at))
    execute("INSERT INTO chunk_results VALUES (?, ?, ?)", (JOB_ID, index, text))
    execute("UPDATE jobs SET updated_at = ? WHERE job_id = ?", (at, JOB_ID))
    execute("COMMIT")


def fill_raw(path: Path, start: int, stop: int) -> None:
    """Complete the chunks ``[start, stop)`` in the reference."""
    with closing(open_raw(path, synchronous="OFF")) as connection:
        for first in range(start, stop, _BATCH):
            some = range(first, min(first + _BATCH, stop))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO completed_chunks VALUES (?, ?, ?)", ((JOB_ID, index, NOW) for index in some)
            )
            connection.executemany(
                "INSERT INTO chunk_results VALUES (?, ?, ?)", ((JOB_ID, index, text_of(index)) for index in some)
            )
            connection.execute("COMMIT")
    _settle(path)


def create_ours(path: Path, total: int = TOTAL) -> str:
    """Create a store with one job in it and return the job's id."""
    with CheckpointStore(path, state_file=None) as store:
        return store.open_job(
            FILE_NAME,
            total_chunks=total,
            video_title="A lecture",
            model="a-model",
            provider="a-provider",
            config={"chunk_size": 2000, "overlap": 200, "language": "en"},
        ).job_id


def fill_ours(path: Path, job_id: str, start: int, stop: int) -> None:
    """Complete the chunks ``[start, stop)`` in a store that nobody has open.

    The library itself writes the first chunk. Its rows are the pattern for the other chunks, so that this function
    knows only the names of the tables, and of ``chunk_index``, ``result``, ``digest`` and ``result_id``.
    """
    if start >= stop:
        return
    with CheckpointStore(path, state_file=None) as store:
        store.job(job_id).complete(start, result(start))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        for first in range(start + 1, stop, _BATCH):
            some = range(first, min(first + _BATCH, stop))
            connection.execute("BEGIN IMMEDIATE")
            for name in ("completed_chunks", "chunk_results"):
                _copy_rows(connection, name, job_id, start, some)
            connection.execute("COMMIT")
        connection.execute("UPDATE jobs SET completed_count = ? WHERE job_id = ?", (stop, job_id))
        connection.execute("PRAGMA journal_mode = WAL")
    _settle(path)


def _copy_rows(connection: sqlite3.Connection, name: str, job_id: str, pattern: int, some: range) -> None:
    cursor = connection.execute(f"SELECT * FROM {name} WHERE chunk_index = ?", (pattern,))
    columns = [column[0] for column in cursor.description]
    row = dict(zip(columns, cursor.fetchone(), strict=True))
    if "digest" in row and row["digest"] != digest(job_id, pattern, text_of(pattern)):
        raise RuntimeError(f"the digest in {name} is made in another way than benchmarks/workload.py knows")

    def rows() -> Iterator[tuple[object, ...]]:
        for index in some:
            text = text_of(index)
            own: dict[str, object] = {"chunk_index": index, "result": text, "digest": digest(job_id, index, text)}
            if "result_id" in row:
                own["result_id"] = row["result_id"] + index - pattern
            yield tuple(own.get(column, row[column]) for column in columns)

    connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows())


def digest(job_id: str, index: int, text: str) -> str:
    """Return the digest that the library keeps of a result."""
    return sha256(f"{job_id}:{index}:{text}".encode()).hexdigest()[:32]


def _settle(path: Path) -> None:
    """Sync a file now, so that the next measurement does not pay for it. Nobody has the file open."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
