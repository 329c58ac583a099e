"""One process comes to a store by two names of its folder: it is one store, and nothing of its locks is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreInUse, StoreTargetError, doctor, recover_store
from checkpoint_store.storage.connection.open_lock import has_connection

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


@pytest.fixture
def names(tmp_path: Path) -> tuple[Path, Path]:
    """Two names of one folder."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").symlink_to("one")
    return tmp_path / "one" / "talks.db", tmp_path / "two" / "talks.db"


def test_reading_by_the_other_name_drops_no_lock(names: tuple[Path, Path], children: Children) -> None:
    """Else the next process that closes the store removes its WAL, and acknowledged chunks are gone."""
    one, two = names
    with CheckpointStore(one) as store:
        job = store.open_job("talk.srt", total_chunks=4)
        job.complete(0, "paid for")
        with CheckpointStore(two, read_only=True) as other:
            assert other.jobs()[0].result(0) == "paid for"
        doctor(two)
        assert has_connection(two)
        with pytest.raises(StoreInUse, match=f"process {os.getpid()} "):
            recover_store(two, lock_timeout_seconds=0)
        with pytest.raises(StoreTargetError, match="belongs to it"):
            store.backup(two, replace=True)
        children.run("from checkpoint_store import *\nCheckpointStore('one/talks.db', state_file=None).close()")
        assert one.with_name("talks.db-wal").exists()
        job.complete(1, "not lost")
    with CheckpointStore(two, read_only=True) as store:
        assert dict(store.jobs()[0].items()) == {0: "paid for", 1: "not lost"}


def test_a_file_at_rest_is_read_without_locks_by_both(names: tuple[Path, Path]) -> None:
    """Closed by one name, it is closed by the other."""
    one, two = names
    with CheckpointStore(one) as store:
        store.open_job("talk.srt", total_chunks=4)
    for path in names:
        with CheckpointStore(path, read_only=True) as store:
            assert store.jobs()
        assert not has_connection(path)
    assert not two.with_name("talks.db-wal").exists()
