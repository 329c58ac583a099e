"""Whether a job is sequential stands in its store and in no state file: a recovery says where it had to assume it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered, recover_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of one sequential job, with its state file, and without a backup."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", chunks=["a", "b", "c"], sequential=True)
        next(iter(job.pending())).complete({"text": "a"})
    for backup in tmp_path.glob("talks.db.backup-*"):
        backup.unlink()
    return tmp_path / "talks.db"


def spoil(path: Path, column: str = "sequential") -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE jobs SET {column} = 'yes'")


@pytest.mark.slow
def test_a_recovery_from_a_state_file_alone_says_what_it_assumes(path: Path) -> None:
    """The warning and the report say that the recovered job is taken for a job that is not sequential."""
    path.unlink()
    with pytest.warns(StoreRecovered, match="no state file says whether it is sequential"), CheckpointStore(path):
        pass
    path.unlink()
    (report,) = recover_store(path).jobs
    assert report.assumed == "no state file says whether it is sequential: it is taken for a job that is not"
    assert (report.recovered_chunks, report.loses) == (1, False)


@pytest.mark.slow
def test_an_unreadable_value_is_not_taken_from_a_state_file(path: Path) -> None:
    """A value that no copy has is lost: the store is not opened until somebody accepts the loss."""
    spoil(path)
    with pytest.raises(StoreDamaged, match="its sequential is lost"):
        CheckpointStore(path)
    (report,) = recover_store(path, accept_loss=True).jobs
    assert (report.lost, report.assumed, report.recovered_chunks) == ("its sequential is lost", None, 1)


def test_an_unreadable_value_is_taken_from_a_backup(path: Path, open_store: Opener) -> None:
    """A value that cannot be read comes from a backup, even with a state file beside it."""
    with CheckpointStore(path) as store:
        store.job("talk.srt").pause()
    assert list(path.parent.glob("talks.db.backup-*"))
    spoil(path)
    with pytest.warns(StoreRecovered):
        store = open_store()
    assert store.open_job("talk.srt", chunks=["a", "b", "c"], sequential=True).progress().completed_chunks == 1


@pytest.mark.slow
@pytest.mark.parametrize("column", ["looked_number", "looked_jobs", "looked_chunks"])
def test_what_a_state_file_does_not_have_is_made_anew(path: Path, column: str) -> None:
    """A recovery leaves out an unreadable value that only saves a look at the store, and loses nothing."""
    spoil(path, column)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE chunk_results SET result = 'no JSON'")
    (report,) = recover_store(path, accept_loss=True).jobs
    assert (report.lost, report.recovered_chunks) == (None, 1)
