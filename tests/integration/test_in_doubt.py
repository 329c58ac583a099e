"""After a crash the store names the chunks whose work had begun, those alone, whatever was claimed ahead."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, JobStatus
from checkpoint_store.storage.runner_lock import RunnerLock, probe, reap, runner_lock_paths

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

KILLED = program(__file__, "killed")


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("when", "at", "expected"),
    [
        ("in the middle", 0, [0]),
        ("in the middle", 700, [700]),
        ("after", 5, []),
        ("after", 700, []),
        ("holding", 9, [5, 6, 7, 8, 9]),
        ("hoarding", 1, list(range(1200))),
    ],
)
def test_what_a_killed_run_had_begun_is_in_doubt(
    tmp_path: Path, children: Children, when: str, at: int, expected: list[int]
) -> None:
    """Quick chunks are claimed several at a time, and those on which no work had begun are just pending."""
    children.run(KILLED, when, at, code=-9)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:  # by looking alone
        (job,) = store.jobs()
        assert [record.chunk_index for record in job.in_doubt_chunks()] == expected
    with CheckpointStore(tmp_path / "talks.db", durability="process", state_file=None) as store:
        (job,) = store.jobs()
        assert [record.chunk_index for record in job.in_doubt_chunks()] == expected
        assert job.running_chunks() == []
        assert runner_lock_paths(store.path) == []
        job.complete_many((chunk.index, "again") for chunk in job.pending())
        assert job.status is JobStatus.COMPLETED
        assert job.in_doubt_chunks() == []


@pytest.mark.slow
def test_a_close_that_cannot_record_its_end_leaves_the_chunk_in_hand_alone_in_doubt(tmp_path: Path) -> None:
    """Another program writes while a store is closed: the chunks that were only looked at are as they were."""
    path = tmp_path / "talks.db"
    store = CheckpointStore(path, state_file=None, lock_timeout_seconds=0.05)
    loop = store.open_job("talk.srt", total_chunks=40).pending()
    last = [chunk for chunk, _ in zip(loop, range(12), strict=False)][-1]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.close()
    with CheckpointStore(path, state_file=None) as store:
        (job,) = store.jobs()
        assert [record.chunk_index for record in job.in_doubt_chunks()] == [last.index]
        assert [record.chunk_index for record in job.attempts()] == [last.index]
        assert runner_lock_paths(path) == []


def test_a_runner_lock_lists_what_is_begun(tmp_path: Path) -> None:
    """A runner's lock file lists all chunks whose work has begun, or says that it cannot tell."""
    store = tmp_path / "talks.db"
    lock = RunnerLock(store)

    def said() -> frozenset[tuple[int, int]] | None:
        content = lock.path.read_bytes()
        copy = tmp_path / "talks.db.runner-0123456789ab"
        copy.write_bytes(content)
        looked = probe(copy)
        reaped = reap(copy)
        assert reaped is not None
        assert looked == reaped
        assert not copy.exists()
        return reaped.begun

    assert probe(lock.path) is None
    assert reap(lock.path) is None
    assert said() == frozenset()
    for index in range(3_000):  # one after the other, with two that stay
        lock.note_begun([(index, 1)])
        if index not in (7, 1500):
            lock.done(index, 1)
    assert {(7, 1), (1500, 1)} <= (said() or set())
    assert len(said() or ()) < 520
    for index in range(10_000, 11_000):
        lock.note_begun([(index, 1)])
    assert said() is None
    for index in (7, 1500, *range(10_000, 11_000)):
        lock.done(index, 1)
    lock.note_begun([(42, 3)])
    assert (42, 3) in (said() or ())
    lock.end()
    assert reap(lock.path) is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_waited_for_its_next_try_is_not_in_doubt(tmp_path: Path, children: Children) -> None:
    """Killed while a chunk that failed waits to be tried again: nobody was asked for it meanwhile."""
    children.run(program(__file__, "killed_before_retry"), code=-9)
    for read_only in (True, False):
        with CheckpointStore(tmp_path / "talks.db", read_only=read_only) as store:
            (job,) = store.jobs()
            assert [record.chunk_index for record in job.in_doubt_chunks()] == [1]
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [(record.chunk_index, record.attempt) for record in store.jobs()[0].errors()] == [(0, 1)]


def test_a_chunk_whose_process_died_at_each_try_has_an_error(tmp_path: Path, children: Children) -> None:
    """Where it used up its attempts, the view and the record say why, and no reader has to guess what an empty field means."""
    children.run(program(__file__, "killed_with_one"), code=-9)
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        (job,) = store.jobs()
        list(job.map(str, max_attempts=1, on_error="record"))
        (record,) = job.failed_chunks()
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        seen = raw.execute("SELECT chunk_index, error FROM failed_chunks").fetchall()
    assert seen == [(1, "its process ended before it gave a result")] == [(record.chunk_index, record.error)]
