"""A way back that is refused leaves nothing behind, and takes nothing away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, MigrationFailed, StoreDamaged, migrate, migration_status, recover_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with an attempt, of which schema 1.0 knows nothing, and two backups."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.txt", total_chunks=2)
        job.fail_chunk(0, "no")
    store.path.with_name("talks.db.backup-1.5-0007").write_bytes(store.path.read_bytes())
    with CheckpointStore(store.path) as store:
        store.backup(tmp_path / "copy.db").rename(store.path.with_name("talks.db.backup-1.5-0008"))
    return store.path


@pytest.mark.slow
def test_a_refused_way_back_leaves_no_backup_and_pushes_out_none(path: Path) -> None:
    """A refused downgrade leaves no backup, and pushes out no older backup, however often it is tried."""
    before = {each.name: each.read_bytes() for each in path.parent.glob("talks.db.backup-*")}
    assert len(before) >= 2
    for _ in range(3):
        with pytest.raises(MigrationFailed, match=r"would be lost|schema 1\.\d") as caught:
            migrate(path, to="1.0")
        assert caught.value.backup is None
        assert "A copy made" not in str(caught.value)
    assert {each.name: each.read_bytes() for each in path.parent.glob("talks.db.backup-*")} == before


def test_the_log_says_why_an_older_copy_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An upgrade that removes an automatic backup because its own copy is the same names both in the log."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.map(str, ["a"], file_name="talk.txt")
    caplog.set_level("INFO", logger="checkpoint_store")
    migrate(store.path, to="1.4")
    name = f"{store.path}.backup-1.5-000"
    assert f"{name}1 is the same as {name}2: removed" in [record.getMessage() for record in caplog.records]


@pytest.mark.slow
def test_a_way_back_that_a_view_of_a_user_bars_names_the_way_out(path: Path) -> None:
    """SQLite drops no column beside a view that cannot be read: the call that the error names makes the way free."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE VIEW mine AS SELECT no_column FROM jobs")
    with pytest.raises(StoreDamaged, match=r"recover_store\("):
        migrate(path, to="1.4")
    assert migration_status(path).current == "1.5"
    assert recover_store(path).not_taken == ("view mine",)
    migrate(path, to="1.4")
    assert migration_status(path).current == "1.4"
