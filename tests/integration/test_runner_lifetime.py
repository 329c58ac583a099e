"""A runner lives as long as its work: no longer than its last loop, its last chunk in hand, and its job."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted, Job, JobBusy
from checkpoint_store.storage.connection.database import Database

from .claims_tools import lock_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children, Opener

TOTAL = 3


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of three chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


def at_work(store: CheckpointStore) -> int:
    """How many runners the store takes to be at work."""
    row = store._context.storage.database.read_row("SELECT count(*) FROM runners WHERE ended_at IS NULL", ())
    assert row is not None
    return int(row[0])


MANY = program(__file__, "many_jobs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "left"),
    [("pending", 1), ("exclusive", 1), ("fail", 1), ("map", 1), ("by number", 0), ("break", 1)],
)
def test_a_store_goes_through_any_number_of_inputs(way: str, left: int, children: Children) -> None:
    """The README's loop over 120 inputs, with 100 descriptors: what one job needed is given back for the next."""
    files_in_hand = int(way == "break")  # the chunk that the last loop handed out is still referred to
    assert children.run(MANY, way).split() == ["0", str(files_in_hand), str(left)]


def test_a_runner_ends_with_its_last_loop(store: CheckpointStore, job: Job, tmp_path: Path) -> None:
    """Two loops of one store are one runner; who has no loop is not at work, though the store is open."""
    first, second = job.pending(), job.pending()
    next(first).complete("a")
    next(second).complete("b")
    assert len(lock_files(tmp_path)) == at_work(store) == 1
    first.close()  # type: ignore[attr-defined]
    assert len(lock_files(tmp_path)) == at_work(store) == 1
    next(second).complete("c")
    assert next(second, None) is None
    assert (lock_files(tmp_path), at_work(store)) == ([], 0)
    assert list(job.results()) == ["a", "b", "c"]


def test_a_chunk_that_outlives_its_loop_is_protected(
    store: CheckpointStore, job: Job, open_store: Opener, tmp_path: Path
) -> None:
    """Who left the loop with a chunk in hand has it for as long as the object is referred to; then the runner ends."""
    kept = next(chunk for chunk in job.pending() if chunk.index == 2)
    other = open_store().latest_job()
    assert other is not None
    assert [one.index for one in other.pending()] == [0, 1]
    for _ in job.map(str):  # another loop of its own is left meanwhile
        break
    assert [one.index for one in other.pending()] == [1]
    assert len(lock_files(tmp_path)) == 1
    kept.complete("late, and paid for once")
    assert (lock_files(tmp_path), at_work(store)) == ([], 0)
    assert list(job.results(missing="skip")) == ["0", "late, and paid for once"]


@pytest.mark.parametrize("end", ["dropped", "failed"])
def test_the_last_chunk_in_hand_takes_its_runner_along(
    end: str, store: CheckpointStore, job: Job, tmp_path: Path
) -> None:
    """Thrown away or failed, after its loop was left, it leaves no lock file behind."""
    kept = [next(job.pending())]
    assert len(lock_files(tmp_path)) == 1
    if end == "failed":
        kept[0].fail("no")
    else:
        kept.clear()
        gc.collect()
    assert (lock_files(tmp_path), at_work(store)) == ([], 0)
    assert next(job.pending()).index == 0


def test_a_runner_that_could_not_end_at_once_ends_with_the_next_job(
    store: CheckpointStore, job: Job, tmp_path: Path
) -> None:
    """A loop that is thrown away in the middle of a write waits for nobody; nothing of it stays for long."""
    database, loop = store._context.storage.database, job.pending()
    assert isinstance(database, Database)
    next(loop)
    with database.writer.lock:
        del loop
        gc.collect()
    assert len(lock_files(tmp_path)) == 1
    list(store.open_job("another", total_chunks=1).pending())
    assert (lock_files(tmp_path), at_work(store)) == ([], 0)


@pytest.mark.slow_variants
@pytest.mark.parametrize("last", [TOTAL, TOTAL - 1])
def test_a_finished_job_is_busy_for_nobody(last: int, job: Job, open_store: Opener, children: Children) -> None:
    """The store that did it is still open: another process may have the job for itself, however the loop was left."""
    with open_store() as mine:
        alone = mine.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
        for chunk in alone.pending():
            chunk.complete("x")
            if chunk.index == last:
                break
        source = """
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db") as store:
    print(store.open_job("talk.srt", total_chunks=3, exclusive=True).status)
"""
        assert children.run(source) == "completed\n"
    assert job.status == "completed"


def by_number(job: Job) -> None:
    for index in range(TOTAL):
        job.complete(index, "x")


def at_once(job: Job) -> None:
    job.complete_many((index, "x") for index in range(TOTAL))


def by_map(job: Job) -> None:
    assert len(list(job.map(str, workers=2))) == TOTAL


@pytest.mark.parametrize("finish", [by_number, at_once, by_map])
def test_exclusive_ends_with_the_job(finish: Callable[[Job], None], store: CheckpointStore, tmp_path: Path) -> None:
    """An exclusive runner has its job alone until the last chunk is complete, in whichever way."""
    alone = store.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    alone.pending().close()  # type: ignore[attr-defined]
    assert len(lock_files(tmp_path)) == 1
    finish(alone)
    assert (lock_files(tmp_path), at_work(store)) == ([], 0)


def test_exclusive_lasts_between_its_loops(store: CheckpointStore, open_store: Opener) -> None:
    """A loop that ends with chunks left gives the job to nobody."""
    alone = store.open_job("talk.srt", total_chunks=TOTAL, exclusive=True)
    for _ in alone.map(str):
        break
    list(alone.pending())
    other = open_store().latest_job()
    assert other is not None
    with pytest.raises(JobBusy):
        next(other.pending())
    with pytest.raises(JobBusy):
        other.fail_chunk(2, "no")


def test_failures_without_a_claim_need_no_lock_file(
    store: CheckpointStore, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one commit, and all of a store's are by one runner, which says host and process."""
    database, commits = store._context.storage.database, []
    assert isinstance(database, Database)
    original = database.write

    def counted(work: Callable[[Any], Any]) -> Any:
        commits.append(work)
        return original(work)

    monkeypatch.setattr(database, "write", counted)
    for number in (1, 2):
        job.fail_chunk(1, f"no {number}")
        assert lock_files(tmp_path) == []
    assert len(commits) == 2
    assert store._context.storage.database.read_row(
        "SELECT count(*), count(ended_at), min(pid) > 0 FROM runners", ()
    ) == (1, 1, 1)
    job.complete(1, "x")
    with pytest.raises(ChunkAlreadyCompleted):
        job.fail_chunk(1, "too late")
