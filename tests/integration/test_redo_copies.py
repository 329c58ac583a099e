"""Chunks to be done again in other copies of a job: state files, merges, recoveries, kept results and StateManager."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StoreRecovered
from checkpoint_store.maintenance import migrate, recover_store
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.unrecorded import UnrecordedResult

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ManagerOpener, Opener

NAME = "talk.srt"


def result(text: str) -> dict[str, Any]:
    """A result that cost something."""
    return {"text": text, "cost": 0.25}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with a complete job of four chunks: one was done again, and two are to be."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job(NAME, chunks=list("abcd"))
        for chunk in job.pending():
            chunk.complete(result("first"))
        job.redo([0])
        for chunk in job.pending():
            chunk.complete(result("second"))
        job.redo([1, 3])
    return tmp_path / "talks.db"


def texts(job: Any) -> list[str]:
    """Return what each chunk holds."""
    return [one["text"] for one in job.results()]


def cost_of(path: Path) -> float:
    """Return what the job cost, as a person at the prompt sees it."""
    with closing(sqlite3.connect(path)) as raw:
        ((cost,),) = raw.execute("SELECT cost FROM job_costs").fetchall()
    return float(cost)


def finish(path: Path) -> tuple[list[int], list[str]]:
    """Do what is left, and return which chunks those were and what all chunks hold then."""
    with CheckpointStore(path) as store:
        job = store.open_job(NAME, chunks=list("abcd"))
        done = [chunk.index for chunk in job.pending() if chunk.complete(result("last")) is None]
        assert job.status == "completed"
        assert store.check() == []
        return done, texts(job)


@pytest.mark.slow
def test_a_store_that_is_made_anew_knows_what_is_to_be_done_again(path: Path) -> None:
    """A recovered store knows the chunks to be done again, and what their earlier results cost."""
    recover_store(path)
    assert cost_of(path) == 1.25
    assert finish(path) == ([1, 3], ["second", "last", "first", "last"])
    assert cost_of(path) == 1.75


@pytest.mark.slow
def test_a_store_that_lost_its_tries_still_ends_the_redo(path: Path) -> None:
    """A mark never waits for a try of a number that does not come: the chunk would be paid for again and again."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM attempts")
    recover_store(path)
    assert finish(path) == ([1, 3], ["second", "last", "first", "last"])
    assert finish(path) == ([], ["second", "last", "first", "last"])


@pytest.mark.slow
def test_pruning_leaves_the_tries_that_a_mark_counts_from(path: Path) -> None:
    """Pruning leaves the tries that a mark counts from, however old they are."""
    with CheckpointStore(path) as store:
        store.prune(older_than_days=0, dry_run=False)
    assert finish(path)[0] == [1, 3]
    assert finish(path)[0] == []


@pytest.mark.slow
def test_a_state_file_alone_knows_what_is_to_be_done_again(path: Path) -> None:
    """Where nothing else is left of the store."""
    path.unlink()
    for backup in path.parent.glob("talks.db.*"):
        backup.unlink()
    with pytest.warns(StoreRecovered):
        opened = CheckpointStore(path)
    with opened as store:
        assert texts(store.job(NAME)) == ["second", "first", "first", "first"]
        assert store.job(NAME).to_redo() == [1, 3]
    assert finish(path)[0] == [1, 3]


@pytest.mark.slow
def test_a_lost_store_is_built_from_its_state_file_with_its_marks(path: Path) -> None:
    """A damaged file, no backup: the state file says which of its results are earlier ones."""
    for backup in path.parent.glob("talks.db.*"):
        backup.unlink()
    path.write_bytes(b"\0" * 100_000)
    with pytest.warns(StoreRecovered):
        assert finish(path)[0] == [1, 3]


@pytest.mark.slow
def test_an_import_takes_no_mark_back_and_adds_none(path: Path, tmp_path: Path) -> None:
    """A state of before the redo, and one of before its new results, change nothing here; a new job has its marks."""
    with CheckpointStore(path) as store:
        job = store.job(NAME)
        during = job.export(tmp_path / "during.json")
        before = ProcessingState.from_json(during.read_bytes()).replace(redo_chunks=[])
        (tmp_path / "before.json").write_text(before.to_json())
        store.import_state(tmp_path / "before.json")
        assert job.to_redo() == [1, 3]
        for chunk in job.pending():
            chunk.complete(result("first"))  # as it was
        assert store.check() == []
    with CheckpointStore(tmp_path / "other.db") as other:
        taken = other.import_state(during)
        assert (taken.to_redo(), texts(taken), taken.status) == (
            [1, 3],
            ["second", "first", "first", "first"],
            "paused",
        )
    with CheckpointStore(path) as store:
        store.import_state(during)
        assert (store.job(NAME).to_redo(), store.job(NAME).status) == ([], "completed")


def test_a_merge_brings_marks_with_results_and_what_answers_them(path: Path, tmp_path: Path) -> None:
    """A chunk that is taken is to be done again if it was there; what was done again there is done here, too."""
    shutil.copy(path, tmp_path / "copy.db")
    with CheckpointStore(tmp_path / "new.db", state_file=None) as store:
        for _ in range(2):
            (merged,) = store.merge(tmp_path / "copy.db").jobs
            assert (merged.status, merged.remaining_chunks) == ("paused", 2)
        assert store.job(NAME).to_redo() == [1, 3]
        assert store.check() == []
    assert cost_of(tmp_path / "new.db") == 1.25
    finish(tmp_path / "new.db")
    with CheckpointStore(path) as store:
        (merged,) = store.merge(tmp_path / "new.db").jobs
        assert (merged.added_chunks, merged.contradictions) == (2, ())
        assert (store.job(NAME).to_redo(), texts(store.job(NAME))) == ([], ["second", "last", "first", "last"])
    assert cost_of(path) == 1.75
    assert finish(path)[0] == []


def test_a_result_without_a_try_is_merged_once(tmp_path: Path) -> None:
    """What a replaced result cost that no loop made is added once, however often it is merged."""
    with CheckpointStore(tmp_path / "one.db", state_file=None) as store:
        job = store.open_job(NAME, total_chunks=1)
        job.complete(0, result("a"))
        job.complete(0, result("b"), replace=True)
    with CheckpointStore(tmp_path / "two.db", state_file=None) as store:
        for _ in range(3):
            store.merge(tmp_path / "one.db")
        assert store.check() == []
    assert cost_of(tmp_path / "two.db") == 0.5


def test_a_result_of_the_redo_that_was_kept_is_taken_in(path: Path) -> None:
    """The disk was full when it came: the next open records it as the new result."""
    with CheckpointStore(path) as store:
        job = store.job(NAME)
        chunk = next(job.pending())
        completion = job._execution.completion(chunk.index, result("kept"))
        del chunk
    unrecorded_files.write(path.with_name(unrecorded_files.new_name(path)), [UnrecordedResult(completion, None)])
    assert finish(path) == ([3], ["second", "kept", "first", "last"])


def test_a_state_manager_goes_on_with_a_redo(make_manager: ManagerOpener, open_store: Opener) -> None:
    """``StateManager`` takes a redone job for incomplete, names the next chunk, and keeps the newer result."""
    manager = make_manager()
    manager.save(ProcessingState(file_name=NAME, status="running", total_chunks=3))
    for index in range(3):
        manager.update_chunk_complete(index, result("first"))
    assert not manager.has_incomplete_job()
    job = open_store("state.db", state_file=None).job(NAME)
    job.redo([1])
    state = manager.load()
    assert state is not None
    assert (state.status, state.next_chunk_index, state.remaining_chunks, manager.has_incomplete_job()) == (
        *("paused", 1, 1, True),
    )
    manager.save(state.replace(status="running", redo_chunks=[]))
    assert job.to_redo() == [1]
    manager.update_chunk_complete(1, result("second"))
    assert (job.to_redo(), texts(job), job.status) == ([], ["first", "second", "first"], "completed")
    assert not manager.has_incomplete_job()


def test_going_back_is_refused_where_money_would_be_forgotten(path: Path) -> None:
    """Schema 1.4 has no words for what a replaced result cost."""
    finish(path)
    with pytest.raises(Exception, match="replaced, and 3 are recorded; they would be lost"):
        migrate(path, to="1.4")
    assert cost_of(path) == 1.75


def test_going_back_is_refused_where_a_redo_would_be_forgotten(tmp_path: Path) -> None:
    """A downgrade is refused if it would forget a redo, even a redo that cost nothing."""
    with CheckpointStore(tmp_path / "free.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        job.complete(0, "free")
        job.redo(0)
        job.complete(0, "free")
    with pytest.raises(Exception, match="done again, and 1 is recorded; it would be lost"):
        migrate(store.path, to="1.4")


def test_a_check_finds_a_mark_of_a_chunk_that_is_not_complete(tmp_path: Path) -> None:
    """``check`` finds the redo mark of a chunk that is not complete, and a recovery drops that mark."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        store.open_job(NAME, total_chunks=2).complete(0, "a")
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("INSERT INTO chunk_redos (job_id, chunk_index, asked_at) SELECT job_id, 1, started_at FROM jobs")
    with CheckpointStore(store.path, state_file=None) as store:
        (problem,) = store.check()
        assert (problem.what, problem.chunk_index) == ("row in chunk_redos", 1)
    recover_store(store.path)
    with CheckpointStore(store.path, state_file=None) as store:
        assert store.check() == []
        assert store.job(NAME).remaining() == [range(1, 2)]
