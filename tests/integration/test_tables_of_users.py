"""A user keeps a table beside ours in the store file, with references to our rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StateManager, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNKS = ["one", "two"]
CALLS = [
    lambda store: store.delete_job(store.latest_job().job_id),
    lambda store: store.prune(keep_last=0, dry_run=False),
    lambda store: store.latest_job().complete(0, "better", replace=True),
]


def _store(path: Path, reference: str) -> None:
    with CheckpointStore(path) as store:
        store.map(str.upper, CHUNKS, file_name="talk.srt")
    _run(path, f"CREATE TABLE notes (job_id {reference}, result_id, note)")


def _run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)


@pytest.mark.slow_variants
@pytest.mark.parametrize("call", CALLS, ids=["delete", "prune", "replace"])
def test_a_row_of_a_user_that_refers_to_ours_is_named(tmp_path: Path, call: Callable[[CheckpointStore], None]) -> None:
    """What a user's row refers to is not deleted: the error names the table, and the same call works without the row."""
    path = tmp_path / "talks.db"
    _store(path, "REFERENCES jobs (job_id)")
    _run(
        path,
        "CREATE TABLE marks (result_id REFERENCES chunk_results (result_id))",
        "INSERT INTO marks SELECT result_id FROM chunk_results WHERE chunk_index = 0",
    )
    with CheckpointStore(path) as store:
        with pytest.raises(StorageUnavailableError, match="a row in 'marks', which is no table of a store, refers to"):
            call(store)
        assert list(store.jobs()[0].results()) == ["ONE", "TWO"]
        _run(path, "DELETE FROM marks")
        call(store)
        assert store.check() == []


def test_clear_names_the_row_of_a_user_that_refers_to_the_job(tmp_path: Path) -> None:
    """A manager that could not remove its job still has it, and does not call the store damaged."""
    path = tmp_path / "talks.db"
    _store(path, "REFERENCES jobs (job_id)")
    _run(path, "INSERT INTO notes (job_id) SELECT job_id FROM jobs")
    with StateManager(tmp_path / "talks.json") as manager:
        with pytest.raises(StorageUnavailableError, match="a row in 'notes'"):
            manager.clear()
        state = manager.load()
        assert state is not None
        assert state.processed_results == ["ONE", "TWO"]


@pytest.mark.slow
def test_a_redone_result_that_a_users_row_refuses_is_kept(tmp_path: Path) -> None:
    """The answer was paid for: it is recorded once the row is gone, and nothing is asked for again."""
    path = tmp_path / "talks.db"
    _store(path, "REFERENCES jobs (job_id)")
    _run(
        path,
        "CREATE TABLE marks (result_id REFERENCES chunk_results (result_id))",
        "INSERT INTO marks SELECT result_id FROM chunk_results",
    )
    store = CheckpointStore(path)
    job = store.jobs()[0]
    job.redo([0])
    with pytest.raises(StorageUnavailableError, match="a row in 'marks'"):
        list(job.map(lambda _: "better"))
    with pytest.raises(StorageUnavailableError, match="a row in 'marks'"):
        store.close()
    _run(path, "DELETE FROM marks")
    with CheckpointStore(path) as again:
        assert again.map(str.upper, CHUNKS, file_name="talk.srt") == ["better", "TWO"]


def test_a_reference_that_says_cascade_goes_with_its_job(tmp_path: Path) -> None:
    """A table of notes may follow the jobs that it is about."""
    path = tmp_path / "talks.db"
    _store(path, "REFERENCES jobs (job_id) ON DELETE CASCADE")
    _run(path, "INSERT INTO notes (job_id) SELECT job_id FROM jobs")
    with CheckpointStore(path) as store:
        store.delete_job(store.jobs()[0].job_id)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM notes").fetchone() == (0,)
