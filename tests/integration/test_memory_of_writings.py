"""Writing the files of a job takes about as much memory for many chunks as for few."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.surplus_files import has_sound_results, surplus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checkpoint_store import Job

FEW = 500
PAGES_BYTES = 300_000
"""The pages that are read and written at once may take so many more bytes when they are full."""


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that Python's objects took during a call, beyond those before it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", durability="process") as store:
        yield store


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", total_chunks=100_000)


def work(job: Job, start: int, stop: int) -> None:
    job.complete_many((index, "x") for index in range(start, stop))


def writing_bytes(job: Job, start: int, stop: int) -> int:
    """Complete chunks; return the most bytes that writing the file of a running and of a paused job took."""
    work(job, start, stop)
    most = max(peak_bytes(job.export), peak_bytes(job.pause))
    job.resume()
    return most


@pytest.mark.parametrize("chunks", [3_000, pytest.param(24_000, marks=pytest.mark.slow)])
def test_a_state_file_of_many_chunks_is_written_in_little_memory(job: Job, chunks: int) -> None:
    """Writing a state file takes less than sixteen more bytes for each chunk, whether the file is whole or grows."""
    steps = [0, FEW, 2 * FEW, chunks // 2, chunks]  # the first writing imports modules
    _, few, *many = [writing_bytes(job, start, stop) for start, stop in pairwise(steps)]
    assert max(many) < few + PAGES_BYTES + 16 * chunks, (few, many)


@pytest.mark.parametrize("chunks", [4_000, pytest.param(16_000, marks=pytest.mark.slow)])
def test_a_backup_of_many_results_is_looked_through_in_little_memory(
    store: CheckpointStore, job: Job, tmp_path: Path, chunks: int
) -> None:
    """Looking whether a backup has each result sound takes no memory for each result."""
    work(job, 0, chunks)
    backup = store.backup(tmp_path / "copy.db")
    assert peak_bytes(lambda: has_sound_results(backup)) < 50_000


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [4_000, 16_000])
def test_a_damaged_backup_of_many_results_is_thinned_out_in_little_memory(
    store: CheckpointStore, job: Job, tmp_path: Path, chunks: int
) -> None:
    """Looking for the backup that has a damaged result sound takes no memory for each sound result."""
    work(job, 0, chunks)
    backups = [store.backup(tmp_path / f"copy{number}.db") for number in range(4)]
    for backup in backups[:3]:
        with closing(sqlite3.connect(backup)) as raw, raw:
            raw.execute("UPDATE chunk_results SET result = '0' WHERE chunk_index = 7")
    removed: list[Path] = []
    assert peak_bytes(lambda: removed.extend(surplus(backups, has_sound_results))) < 100_000
    assert removed == [backups[2]]
