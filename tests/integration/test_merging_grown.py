"""Merging where a job grew on one machine, is sequential, or is open here: what is right stays right."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, InvalidArgumentError
from checkpoint_store.execution.opening import Fingerprints

from .shard_tools import CHUNKS, NAME, clean, rows, shard

if TYPE_CHECKING:
    from pathlib import Path

MORE = [*CHUNKS, "chunk 12", "chunk 13"]


def run_sql(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def grown(path: Path) -> None:
    """Let the job of a store have two more chunks, as a job does whose input has grown."""
    digest, _ = Fingerprints(MORE, None).digests()
    run_sql(path, "UPDATE jobs SET total_chunks = 14, chunks_digest = ?, status = 'running'", digest)


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Path, Path]:
    """A store of a complete job, and a copy of it on another machine, where the job has grown and one chunk was added."""
    one = shard(tmp_path / "one", None)
    shutil.copytree(one.parent, tmp_path / "two")
    two = tmp_path / "two" / "talks.db"
    grown(two)
    with CheckpointStore(two) as store:
        job = store.open_job(NAME, chunks=MORE)
        list(job.map(clean, only=[13]))
    return one, two


def test_a_job_that_grew_elsewhere_grows_here(copies: tuple[Path, Path]) -> None:
    """Chunks that were added stand behind the others: results are taken, and what is left is left here, too."""
    one, two = copies
    with CheckpointStore(one) as store:
        assert store.job(NAME).status == "completed"
        (merged,) = store.merge(two).jobs
        assert (merged.added_chunks, merged.same_chunks, merged.remaining_chunks) == (1, 12, 1)
        job = store.open_job(NAME, chunks=MORE)
        assert [chunk.index for chunk in job.pending()] == [12]
        assert (len(store.jobs()), store.check()) == (1, [])


@pytest.mark.slow
def test_a_job_that_grew_here_takes_what_was_done_before(copies: tuple[Path, Path]) -> None:
    """The other machine still has the shorter job."""
    one, two = copies
    with CheckpointStore(two) as store:
        (merged,) = store.merge(one).jobs
        assert (merged.passed_over, merged.same_chunks, merged.remaining_chunks) == (None, 12, 1)
        assert store.job(NAME).total_chunks == 14


@pytest.mark.slow
def test_two_jobs_that_grew_apart_stay_apart(copies: tuple[Path, Path]) -> None:
    """Where the same job has other chunks on each machine, nothing is mixed up, and the report says so."""
    one, two = copies
    digest, _ = Fingerprints([*CHUNKS, "else", "and more"], None).digests()
    run_sql(one, "UPDATE jobs SET total_chunks = 14, chunks_digest = ?, status = 'paused'", digest)
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert "its plan is another one than here: chunks" in str(merged)
        assert store.job(NAME).progress().completed_chunks == 12


@pytest.mark.slow_variants
@pytest.mark.parametrize(("here", "there"), [("abc", "abde"), ("abcx", "abd"), ("abc", "abd")])
@pytest.mark.parametrize("sequential", [False, True])
def test_jobs_that_grew_apart_are_told_apart_by_their_results(
    tmp_path: Path, here: str, there: str, *, sequential: bool
) -> None:
    """No chunk gets the result of another chunk, and what the report advises takes what the other machine paid for."""
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    settings: dict[str, Any] = {"file_name": "f", "sequential": sequential}
    with CheckpointStore(one) as store:
        list(store.open_job(chunks=["a", "b"], **settings).map(clean))
        store.backup(two)
    for path, chunks in ((one, here), (two, there)):
        with CheckpointStore(path) as store:
            list(store.open_job(chunks=list(chunks), on_change="extend", **settings).map(clean))
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert "with its chunks, then those added here, and on_change='reuse'; then merge again" in str(merged)
        assert list(store.open_job(chunks=list(here), **settings).results()) == [clean(chunk) for chunk in here]
    chunks = [*there, *here[2:]]
    with CheckpointStore(two) as store:
        store.open_job(chunks=chunks, on_change="reuse", **settings)
    with CheckpointStore(one) as store:
        store.merge(two)
        job = store.open_job(chunks=chunks, on_change="reuse", **settings)
        assert [result for _, result in job.items()] == [clean(chunk) for chunk in (there if sequential else chunks)]


def test_a_sequential_job_takes_its_beginning_only(tmp_path: Path) -> None:
    """A chunk whose work needs the results before it cannot be done where those are not."""
    path = shard(tmp_path / "one", [])
    run_sql(path, "UPDATE jobs SET sequential = 1")
    with CheckpointStore(path) as store:
        job = store.job(NAME)
        for only in (range(3, 6), [0, 2]):
            with pytest.raises(InvalidArgumentError, match="leaves out earlier chunks"):
                job.map(str, only=only)
        assert [item.index for item in job.map(str, only=range(2))] == [0, 1]


def test_a_sequential_job_is_another_plan(tmp_path: Path) -> None:
    """Jobs that are sequential and jobs that are not stay apart, also where everything else is the same."""
    one, two = shard(tmp_path / "one", range(3)), shard(tmp_path / "two", range(3, 6))
    run_sql(two, "UPDATE jobs SET sequential = 1")
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert (merged.is_new, len(store.jobs())) == (True, 2)


@pytest.mark.slow
def test_a_store_that_is_open_here_is_merged(tmp_path: Path) -> None:
    """Two stores in one program: the locks of the other one stay what they are, and it goes on."""
    one, two = shard(tmp_path / "one", range(3)), shard(tmp_path / "two", range(3, 6))
    with CheckpointStore(two) as other, CheckpointStore(one) as store:
        job = other.open_job(NAME, chunks=CHUNKS)
        list(job.map(clean, only=range(6, 8)))
        assert store.merge(two).added_chunks == 5
        list(job.map(clean, only=range(8, 12)))
        assert store.merge(two).added_chunks == 4
        assert store.job(NAME).status == "completed"
    with CheckpointStore(two) as other:
        assert (other.job(NAME).completed_ranges(), other.check()) == ([(3, 12)], [])


def test_names_in_another_spelling_are_one_file(tmp_path: Path) -> None:
    """A file name comes in NFD from macOS, and in NFC from elsewhere."""
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    with CheckpointStore(one) as store:
        store.map(clean, CHUNKS, file_name="Größe.txt", only=range(4))
    with CheckpointStore(two) as store:
        store.map(clean, CHUNKS, file_name="Größe.txt", only=range(4, 12))
    run_sql(two, "UPDATE jobs SET file_name = ?", "Gro\u0308ße.txt")
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert (merged.is_new, merged.remaining_chunks) == (False, 0)


@pytest.mark.slow
def test_what_ended_after_a_first_merge_gets_its_end(tmp_path: Path) -> None:
    """An attempt that was in work at the first merge is in doubt until the second one; its cost is counted then, once."""
    one, two = shard(tmp_path / "one", range(8, 12)), shard(tmp_path / "two", range(3, 6))
    with CheckpointStore(two) as other, CheckpointStore(one) as store:
        for chunk in other.open_job(NAME, chunks=CHUNKS).pending():
            store.merge(two)
            (doubt,) = store.job(NAME).in_doubt_chunks()
            assert doubt.chunk_index == chunk.index == 0
            chunk.fail("no answer", cost=0.5)
            break
        for _ in range(2):
            store.merge(two)
            assert store.job(NAME).in_doubt_chunks() == []
    ended = "SELECT outcome, cost, error FROM attempts WHERE chunk_index = 0 AND outcome != 'completed'"
    assert rows(one, ended) == [("failed", 0.5, "no answer")]
