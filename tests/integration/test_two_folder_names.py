"""One process comes to a store by two names of its folder: it is one store, and nothing of its locks is lost."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreInUse, StoreTargetError, doctor, recover_store
from checkpoint_store.storage.connection.open_lock import has_connection
from checkpoint_store.system.paths import as_listed
from tests.storms import disks

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
        with pytest.raises(StoreInUse, match="this process has it open"):
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


@pytest.mark.root
def test_each_spelling_of_a_name_is_one_store_where_case_is_ignored(tmp_path: Path) -> None:
    """Nobody recovers the store, under another spelling, away from under its user."""
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    disks.run("mkfs.ntfs", "-q", "-F", image)
    disks.run("lowntfs-3g", "-o", "ignore_case", image, place)
    try:
        with CheckpointStore(place / "talks.db") as store:
            store.open_job("talk.srt", total_chunks=1)
            assert CheckpointStore(place / "Talks.DB", read_only=True).path == place / "talks.db"
            with pytest.raises(StoreInUse):
                recover_store(place / "TALKS.DB", lock_timeout_seconds=0)
        assert not [path for path in place.iterdir() if path.name.startswith("talks.db.")]
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=60)


@pytest.mark.root
def test_a_living_runner_is_seen_by_each_spelling_on_exfat(tmp_path: Path) -> None:
    """Where each spelling of a file or a folder has an inode and locks of its own, no chunk in work is taken."""
    with disks.mounted("FUSE (exfat)", tmp_path) as place:
        (place / "Straße").mkdir()
        with CheckpointStore(place / "Straße" / "Talks.db") as store:
            chunk = next(store.open_job("talk.srt", total_chunks=2).pending())
            with CheckpointStore(place / "strAße" / "talks.DB") as other:
                assert other.path == store.path
                assert next(other.job("talk.srt").pending()).index == 1
            chunk.complete("paid for")


def test_a_name_is_the_one_that_its_folder_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder takes every spelling, a store has one path, for the names of folders, too."""
    (tmp_path / "Talks").mkdir()
    (tmp_path / "Talks" / "Talks.db").touch()
    assert as_listed(tmp_path / "tALKS" / "talks.DB") == tmp_path / "tALKS" / "talks.DB"
    monkeypatch.setattr(os.path, "lexists", lambda _: True)
    assert as_listed(tmp_path / "tALKS" / "talks.DB") == tmp_path / "Talks" / "Talks.db"
    (tmp_path / "Talks" / "talks.DB").touch()
    assert as_listed(tmp_path / "Talks" / "talks.DB") == tmp_path / "Talks" / "talks.DB"
