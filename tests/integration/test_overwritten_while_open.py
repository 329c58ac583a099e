"""A store file, or its WAL, that another program overwrites while a program has the store open."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, StorageUnavailableError, StoreRecovered
from checkpoint_store.storage.connection import file_guard, pragmas
from checkpoint_store.storage.connection.file_guard import FileGuard
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.system.descriptors import OpenFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOTAL, BEFORE, AT = 60, 20, 40
REFUSED = pytest.raises(
    StorageUnavailableError, match=r"another program overwrote or emptied the file while it is open"
)


def _write(store: CheckpointStore, first: int, stop: int) -> None:
    store.open_job("talk.txt", total_chunks=TOTAL)
    for index in range(first, stop):
        store.job("talk.txt").complete(index, f"{index}: {'x' * 500}")


def _grown(path: Path, copy: Path) -> CheckpointStore:
    """Return an open store with ``AT`` chunks, half of them in its WAL; ``copy`` has less of them than its file."""
    with CheckpointStore(path) as store:
        _write(store, 0, BEFORE // 2)
        store.backup(copy)
        _write(store, BEFORE // 2, BEFORE)
    store = CheckpointStore(path)
    _write(store, BEFORE, AT)
    return store


def _overwrite(path: Path, copy: Path) -> None:
    """Write the copy into the file as ``cp`` does: in another process, as locks end where this one closes the file."""
    subprocess.run(["cp", copy, path], check=True)


def _empty(path: Path, _: Path) -> None:
    os.truncate(path, 0)


def _comes_back(store: CheckpointStore, path: Path) -> None:
    """Close the overwritten store, which is refused, and see that the next opening has every chunk."""
    with REFUSED:
        store.close()
    with pytest.warns(StoreRecovered, match="chunks back"):
        store = CheckpointStore(path)
    with store:
        assert [index for index in dict(store.job("talk.txt").items()) if index < AT] == list(range(AT))
        assert store.check() == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("spoil", [_overwrite, _empty])
@pytest.mark.parametrize("is_idle", [False, True], ids=["at work", "idle"])
def test_what_the_wal_has_is_kept_if_an_open_store_is_overwritten(
    tmp_path: Path, spoil: Callable[[Path, Path], None], *, is_idle: bool
) -> None:
    """No chunk is acknowledged any more, and no close copies the WAL into the other content."""
    path, copy = tmp_path / "talk.db", tmp_path / "copy.db"
    store = _grown(path, copy)
    spoil(path, copy)
    for _ in range(0 if is_idle else 2):
        with REFUSED:
            store.job("talk.txt").complete(AT, "y")
    _comes_back(store, path)


def test_no_close_writes_an_overwritten_store_over_its_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rollback journal, the state file may be all that knows of the chunks that the other content lacks."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _: "truncate")
    path, copy = tmp_path / "talk.db", tmp_path / "copy.db"
    store = _grown(path, copy)
    written = path.with_suffix(".json").read_bytes()
    _overwrite(path, copy)
    with REFUSED:
        store.close()
    assert path.with_suffix(".json").read_bytes() == written
    with pytest.warns(StoreRecovered, match="taken in"):
        CheckpointStore(path).close()


def test_a_store_goes_on_after_another_process_was_killed_in_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rollback journal, the change counter that the killed process wrote is rolled back."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _: "truncate")
    path = tmp_path / "talk.db"
    with CheckpointStore(path) as store:
        _write(store, 0, BEFORE)
        job = store.job("talk.txt")
        subprocess.run([sys.executable, program(__file__, "die_in_commit"), path], check=True)
        assert has_bytes(StoreFiles(path).journal)
        for _ in range(3):
            assert list(job.items())
        job.complete(BEFORE, "y")
        assert store.check() == []


def test_a_store_goes_on_where_no_list_of_descriptors_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /dev/fd, such as in a chroot, a WAL that SQLite cuts is no overwritten one."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(pragmas, "WAL_BYTES_MAX", 64 * 1024)
    monkeypatch.setattr(OpenFile, "read", lambda *_: None)
    with CheckpointStore(tmp_path / "talk.db", state_file=None) as store:
        job = store.open_job("talk.txt", total_chunks=AT)
        for index in range(AT):
            job.complete(index, "x" * (300_000 if index < BEFORE else 10))
        assert store.check() == []


def test_a_later_look_of_another_thread_is_no_overwriting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading of a change counter and its comparison, another thread may have seen a later one."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _: "truncate")
    path, original, is_inside = tmp_path / "talk.db", OpenFile.read, [False]
    with CheckpointStore(path, state_file=None) as store:
        guard = FileGuard(path)

        def read(self: OpenFile, *arguments: Any) -> bytes | None:
            raw = original(self, *arguments)
            if not is_inside[0]:
                is_inside[0] = True
                store.open_job("talk.txt", total_chunks=1, fresh=True)
                assert guard.spoiled() is None
                is_inside[0] = False
            return raw

        monkeypatch.setattr(OpenFile, "read", read)
        assert guard.spoiled() is None


@pytest.mark.slow
def test_a_fork_does_not_mix_a_wal_with_an_overwritten_file(tmp_path: Path) -> None:
    """A fork closes the connections; what only the WAL has comes back after it, too."""
    path, copy = tmp_path / "talk.db", tmp_path / "copy.db"
    store = _grown(path, copy)
    _overwrite(path, copy)
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with REFUSED:
        store.job("talk.txt").complete(AT, "y")
    _comes_back(store, path)


@pytest.mark.slow
def test_a_child_that_lives_on_does_not_keep_an_overwritten_store_from_coming_back(tmp_path: Path) -> None:
    """The lock that keeps the WAL ends when the process closes the store that took it."""
    path, copy = tmp_path / "talk.db", tmp_path / "copy.db"
    store = _grown(path, copy)
    _overwrite(path, copy)
    with REFUSED:
        store.job("talk.txt").complete(AT, "y")
    until, end = os.pipe()
    if (child := os.fork()) == 0:
        os.close(end)
        os.read(until, 1)
        os._exit(0)
    with REFUSED:
        store.close()
    try:
        with pytest.warns(StoreRecovered, match="chunks back"):
            CheckpointStore(path).close()
    finally:
        os.close(end)
        os.waitpid(child, 0)
        os.close(until)


def test_no_chunk_is_acknowledged_once_the_wal_was_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to a WAL without a beginning would be gone at a kill, without a word."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    path = tmp_path / "talk.db"
    store = CheckpointStore(path, state_file=None)
    _write(store, 0, BEFORE)
    job = store.job("talk.txt")
    os.truncate(path.with_name("talk.db-wal"), 0)
    for index in (BEFORE, BEFORE + 1):
        with pytest.raises(StorageUnavailableError, match="another program overwrote or emptied the -wal beside it"):
            job.complete(index, "y")
    with pytest.raises(StorageUnavailableError):
        store.close()


def test_no_close_copies_an_emptied_wal_into_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store file stays as the last checkpoint left it, and the state file gives what only the WAL had."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    path = tmp_path / "talk.db"
    store = CheckpointStore(path)
    _write(store, 0, BEFORE)
    job = store.job("talk.txt")
    job.export()
    os.truncate(path.with_name("talk.db-wal"), 0)
    with pytest.raises(StorageUnavailableError):
        job.complete(BEFORE, "y")
    with pytest.raises(StorageUnavailableError):
        store.close()
    with pytest.warns(StoreRecovered):
        store = CheckpointStore(path)
    with store:
        assert list(range(BEFORE)) == [index for index, _ in store.job("talk.txt").items()][:BEFORE]
        assert store.check() == []


@pytest.mark.slow
def test_an_older_copy_of_all_files_in_the_place_of_the_open_ones_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored copy of the folder lacks acknowledged chunks, and no copy knows of them: the next call says it."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    folder, copy = tmp_path / "store", tmp_path / "copy"
    folder.mkdir()
    store = CheckpointStore(folder / "talk.db", state_file=None)
    _write(store, 0, BEFORE)
    job = store.job("talk.txt")
    subprocess.run(["cp", "-a", folder, copy], check=True)
    _write(store, BEFORE, AT)
    subprocess.run(["cp", "-a", f"{copy}/.", folder], check=True)
    with pytest.raises(StorageUnavailableError, match="another program overwrote or emptied the -wal beside it"):
        job.complete(AT, "y")
    with pytest.raises(StorageUnavailableError):
        store.close()


@pytest.mark.slow
def test_a_store_goes_on_while_another_process_shrinks_and_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deletes a large job, which makes file and WAL shorter, and copies its WAL into the file."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    path = tmp_path / "talk.db"
    with CheckpointStore(path) as store:
        store.open_job("large.txt", total_chunks=9).complete_many((index, "x" * 300_000) for index in range(9))
        _write(store, 0, BEFORE)
        large_bytes = path.stat().st_size
        subprocess.run([sys.executable, program(__file__, "shrink_store"), path], check=True)
        _write(store, BEFORE, AT)
        assert path.stat().st_size < large_bytes
        assert list(store.job("talk.txt").completed_ranges()) == [(0, AT)]
        assert store.check() == []
