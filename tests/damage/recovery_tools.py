"""What the tests of recovery share."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreRecovered

if TYPE_CHECKING:
    from pathlib import Path


TOTAL = 12


def _result(index: int) -> dict[str, Any]:
    return {"cleaned_text": f"text of chunk {index} " * 40, "cost": index / 8}


def _make(folder: Path, *, done: int = TOTAL, backup: bool = True, state_file: bool = True) -> str:
    """Make ``talks.db`` with one job, and return its id; the copies beside it are kept as asked for."""
    with CheckpointStore(folder / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL, model="m", config={"chunk_size": 2000})
        job.complete_many((index, _result(index)) for index in range(done))
        if done == TOTAL:
            job.finish()
        else:
            job.pause()
    if not backup:
        for path in folder.glob("*.backup-*"):
            path.unlink()
    if not state_file:
        (folder / "talks.json").unlink()
        (folder / "talks.bak").unlink(missing_ok=True)
    return job.job_id


def _ruin(path: Path) -> None:
    """Overwrite everything behind the first page: nothing of the tables reads."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))


def _spoil_result(path: Path, index: int, job_id: str | None = None) -> None:
    """Change one stored result, without its digests; SQLite finds nothing wrong with that."""
    of_chunk = "chunk_index = ? AND job_id = coalesce(?, job_id)"
    with closing(sqlite3.connect(path)) as driver:
        driver.execute(
            f"UPDATE chunk_results SET result = replace(result, 'text', 'tEXt') WHERE {of_chunk}", [index, job_id]
        )
        driver.commit()


def _open_recovered(path: Path, **options: Any) -> CheckpointStore:
    with pytest.warns(StoreRecovered):
        return CheckpointStore(path, **options)


def _overwrite(path: Path, table: str, was: bytes, becomes: bytes) -> None:
    """Change bytes in the first page of a small table, as a fault of the disk does."""
    with closing(sqlite3.connect(path)) as driver:
        ((page,),) = driver.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table])
        ((size_bytes,),) = driver.execute("PRAGMA page_size")
    content = bytearray(path.read_bytes())
    at = content.index(was, (page - 1) * size_bytes, page * size_bytes)
    content[at : at + len(was)] = becomes
    path.write_bytes(content)


def _renumber_chunk(path: Path, table: str, job_id: str, index: int, to: int) -> None:
    """Change the number of a chunk in one row of a small table: 2 to 3 is one flipped bit."""
    _overwrite(path, table, job_id.encode() + bytes([index]), job_id.encode() + bytes([to]))
