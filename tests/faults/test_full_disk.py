"""Full disks, file-size limits, read-only and vanished folders: a clear error, and the job goes on afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StorageFullError,
    StorageUnavailableError,
    StoreTargetError,
)
from checkpoint_store.system.paths import file_system
from faults.conftest import Figures, child_environment
from faults.workload import INPUT, STATE, STORE, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

    from checkpoint_store import Job

TOTAL = 2000
SIZE = 3 * 1024 * 1024
NEEDS_ROOT = "needs to mount a small file system: run as root (or: unshare -Urm) pytest tests/faults/test_full_disk.py"


def _command(*words: object) -> None:
    try:
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError as error:
        pytest.skip(f"{NEEDS_ROOT} ({error})")
    if done.returncode:
        pytest.skip(f"{NEEDS_ROOT} ({done.stderr.strip()})")


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if request.param == "tmpfs":
        _command("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "faults", place)
    else:
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(2 * SIZE)
        # Blocks as large as pages: with smaller ones SQLite's index of the log has holes, and a full disk is SIGBUS.
        _command("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", image)
        _command("mount", "-o", "loop", image, place)
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=60)


def _fill(job: Job, acknowledged: set[int]) -> StorageFullError:
    """Complete chunks until there is no room."""
    for index in range(TOTAL):
        try:
            job.complete(index, result_of(index))
        except StorageFullError as error:
            return error
        acknowledged.add(index)
    pytest.fail("the disk never was full")


def _assert_says_where_and_how_much(error: StorageFullError, folder: Path) -> None:
    assert error.path.startswith(str(folder))
    assert error.free_bytes is not None
    assert f"{error.free_bytes:,} bytes" in str(error)
    assert "Everything recorded before is safe" in str(error)


def _assert_state_files_parse(folder: Path, *, at_least: int = 1) -> None:
    found = []
    for name in (STATE, STATE.replace(".json", ".bak")):
        with suppress(FileNotFoundError):
            found.append(ProcessingState.from_json((folder / name).read_bytes()))
    assert len(found) >= at_least


def _assert_all_there(job: Job, acknowledged: set[int]) -> None:
    results = dict(job.items())
    assert acknowledged <= set(results)
    assert all(results[index] == result_of(index) for index in results)


def _assert_written_in_place_is_lost(control: Path) -> None:
    """The control: a file that is written anew in place loses all that was recorded."""
    with suppress(OSError):
        control.write_text(json.dumps([result_of(index) for index in range(100)]))
    with pytest.raises(json.JSONDecodeError):
        json.loads(control.read_text("utf-8", "replace"))
    control.unlink()


@pytest.mark.slow_variants
def test_a_full_disk_is_said_and_gone_on_from(small_disk: Path, figures: Figures) -> None:
    """On a full disk the error says where and how much is free, nothing is lost, and the same job goes on with room."""
    control = small_disk / "control.json"
    control.write_text(json.dumps([result_of(index) for index in range(8)]))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(SIZE // 3))
    acknowledged: set[int] = set()
    rounds = 0
    with CheckpointStore(small_disk / STORE) as store:
        job = store.open_job(INPUT, total_chunks=TOTAL)
        for index in range(2):  # so that there is one and another one before it, however slow the machine is
            job.complete(index, result_of(index))
            acknowledged.add(index)
            job.export()
        _assert_says_where_and_how_much(_fill(job, acknowledged), small_disk)
        _assert_all_there(job, acknowledged)
        _assert_state_files_parse(small_disk, at_least=2)
        _assert_written_in_place_is_lost(control)
        before = len(acknowledged)
        while ballast.stat().st_size:
            os.truncate(ballast, max(ballast.stat().st_size - SIZE // 9 - 1, 0))
            missing = next(index for index in range(TOTAL) if index not in acknowledged)
            job.complete(missing, result_of(missing))
            acknowledged.add(missing)
            _fill(job, acknowledged)
            rounds += 1
        assert len(acknowledged) > before
        _assert_all_there(job, acknowledged)
        with pytest.raises(StorageFullError):
            store.backup(small_disk / "copy.db")
        assert sorted(p.name for p in small_disk.iterdir() if ".tmp-" in p.name or p.name.startswith("copy")) == []
        with suppress(StorageFullError):  # closing makes the state file exact, for which there may be no room
            store.close()
    _assert_state_files_parse(small_disk)
    with CheckpointStore(small_disk / STORE, state_file=None) as store:
        _assert_all_there(store.jobs()[0], acknowledged)
        assert store.check() == []
    figures(
        f"full-disk ({file_system(small_disk / STORE)})", acknowledged=len(acknowledged), lost=0, times_full=rounds + 1
    )


LIMITED = program(__file__, "limited")


@pytest.mark.slow
def test_a_file_size_limit_is_a_full_disk(fast_folder: Path, figures: Figures) -> None:
    """A quota on the size of files is reported like a full disk, and the same job goes on once the quota is raised."""
    done = subprocess.run(
        [sys.executable, "-W", "error", LIMITED, fast_folder],
        env=child_environment(), capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _assert_state_files_parse(fast_folder, at_least=2)
    figures("file-size-limit", acknowledged=int(done.stdout), lost=0)


def test_an_erasure_on_a_full_disk_does_not_wait_for_readers(children: Children, tmp_path: Path) -> None:
    """The job is deleted, and the error says at once what is full, and that a close then removes the bytes."""
    said = children.run(program(__file__, "erasing_on_a_full_disk"), tmp_path / "talks.db")
    assert "Make room, or mend that; the last close" in said
    assert "call again" not in said
    assert not [path for path in tmp_path.iterdir() if b"yyyy" in path.read_bytes()]


def test_a_vanished_folder_is_said_and_gone_on_from(tmp_path: Path) -> None:
    """While the folder is away the store says so and creates nothing; back again, the same job goes on."""
    folder, away = tmp_path / "work", tmp_path / "away"
    folder.mkdir()
    with CheckpointStore(folder / STORE) as store:
        job = store.open_job(INPUT, total_chunks=4)
        job.complete(0, result_of(0))
        folder.rename(away)
        with pytest.raises(StorageUnavailableError):
            job.export()
        with pytest.raises(StoreTargetError):
            store.backup(folder / "copy.db")
        with pytest.raises(StoreTargetError):
            CheckpointStore(folder / STORE)
        acknowledged = {0}
        with suppress(StorageUnavailableError):
            job.complete(1, result_of(1))
            acknowledged.add(1)
        assert not folder.exists()
        away.rename(folder)
        _assert_all_there(job, acknowledged)
        job.complete(1, result_of(1))
        job.complete(2, result_of(2))
        job.export()
    with CheckpointStore(folder / STORE) as store:
        assert dict(store.jobs()[0].items()) == {index: result_of(index) for index in range(3)}
        assert store.check() == []


def test_a_read_only_disk_is_said_and_gone_on_from(tmp_path: Path) -> None:
    """On a file system that is read-only the store says so and can be read; writable again, the job goes on."""
    place = tmp_path / "disk"
    place.mkdir()
    _command("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "faults", place)
    try:
        with CheckpointStore(place / STORE) as store:
            job = store.open_job(INPUT, total_chunks=4)
            job.complete(0, result_of(0))
        _command("mount", "-o", "remount,ro", place)
        with pytest.raises((StorageUnavailableError, StoreTargetError)):
            CheckpointStore(place / STORE)
        with CheckpointStore(place / STORE, read_only=True) as store:
            assert dict(store.jobs()[0].items()) == {0: result_of(0)}
        _command("mount", "-o", "remount,rw", place)
        with CheckpointStore(place / STORE) as store:
            job = store.open_job(INPUT, total_chunks=4)
            job.complete(1, result_of(1))
            assert dict(job.items()) == {0: result_of(0), 1: result_of(1)}
            assert store.check() == []
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=60)
