"""A disk that goes away or turns read-only under an open store: one clear error, nothing lost, and the object goes on."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
from conftest import wait_until

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StateManager,
    StorageUnavailableError,
    StoreInUse,
    StoreTargetError,
    doctor,
    recover_store,
    restore_store,
)
from checkpoint_store.storage.connection import file_guard
from tests.storms import disks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checkpoint_store import Job

CALLS: Final[dict[str, Callable[[Job], object]]] = {
    "complete": lambda job: job.complete(5, {"n": 5}),
    "complete_many": lambda job: job.complete_many([(5, {"n": 5}), (6, {"n": 6})]),
    "fail_chunk": lambda job: job.fail_chunk(5, "no answer"),
    "pending": lambda job: next(iter(job.pending())),
    "map": lambda job: list(job.map(lambda data: {"n": 0})),
    "pause": lambda job: job.pause(),
    "export": lambda job: job.export(),
}


def _recorded(folder: Path) -> list[int]:
    with CheckpointStore(folder / "talk.db") as store:
        assert store.check() == []
        return [index for index, _ in store.job("talk.srt").items()]


def _asked(real: Callable[..., Any], folder: str) -> Callable[..., Any]:
    def asked(path: Any, *more: Any, **options: Any) -> Any:
        if not isinstance(path, int) and os.fsdecode(path).startswith(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *more, **options)

    return asked


def _no_answers(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the system answer no question about what is in a folder, as of a disk that was pulled out."""
    for name in ("stat", "lstat"):
        patch.setattr(os, name, _asked(getattr(os, name), str(folder)))
    access = os.access
    patch.setattr(os, "access", lambda path, mode: not os.fspath(path).startswith(str(folder)) and access(path, mode))


@pytest.mark.slow_variants
@pytest.mark.parametrize("call", CALLS)
def test_a_disk_that_does_not_answer_is_named(tmp_path: Path, call: str) -> None:
    """No call ends in a bare OSError; with the disk back, the same object goes on, and everything is there."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=8)
        job.complete_many((index, {"n": index}) for index in range(4))
        with pytest.MonkeyPatch.context() as patch:
            _no_answers(patch, tmp_path)
            for _ in range(2):
                with pytest.raises(StorageUnavailableError, match="Input/output error"):
                    CALLS[call](job)
        CALLS[call](job)
        assert {0, 1, 2, 3} <= {index for index, _ in job.items()}
        assert store.check() == []


def test_a_wal_that_did_not_answer_once_is_not_taken_for_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that asked in vain says so, and the next call goes on."""
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        job.complete(0, {"n": 0})
        with pytest.MonkeyPatch.context() as patch:
            _no_answers(patch, tmp_path / "talk.db-wal")
            with pytest.raises(StorageUnavailableError, match="Input/output error"):
                job.complete(1, {"n": 1})
        job.complete(1, {"n": 1})
        assert dict(job.items()) == {0: {"n": 0}, 1: {"n": 1}}


def _fail_once(patch: pytest.MonkeyPatch, folder: Path, number: int) -> Iterator[int]:
    """Let one look at what is in a folder fail, the first being number 1. Returns the numbers that are left."""
    answered, looks = os.stat, itertools.count(1)

    def asked(path: Any, *more: Any, **options: Any) -> Any:
        if not isinstance(path, int) and os.fsdecode(path).startswith(str(folder)) and next(looks) == number:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        return answered(path, *more, **options)

    patch.setattr(os, "stat", asked)
    return looks


@pytest.mark.slow
def test_each_look_that_fails_once_is_told_as_that(tmp_path: Path) -> None:
    """No look at a file that fails once is taken for an empty file or for damage, and the next call goes on."""
    looks: Iterator[int] = itertools.count()
    fails = 0
    while next(looks) >= fails:
        fails += 1
        with StateManager(tmp_path / f"{fails}.json") as manager:
            manager.save(ProcessingState(file_name="talk.srt", total_chunks=3))
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StorageUnavailableError):
                looks = _fail_once(patch, tmp_path, fails)
                manager.set_status("paused")
            manager.set_status("paused")
            state = manager.load()
            assert state is not None
            assert state.status == "paused"


@pytest.mark.slow
def test_a_doctor_whose_look_fails_says_so(tmp_path: Path) -> None:
    """No look of the doctor that fails once ends in a bare OSError."""
    CheckpointStore(tmp_path / "talk.db").close()
    looks: Iterator[int] = itertools.count()
    fails = 0
    while next(looks) >= fails:
        fails += 1
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StorageUnavailableError, StoreTargetError):
            looks = _fail_once(patch, tmp_path, fails)
            doctor(tmp_path / "talk.db")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["other.db", "copy.json"])
def test_a_merge_or_restoring_whose_look_fails_says_so(tmp_path: Path, name: str) -> None:
    """No look at a merged file, or at a name beside a copy, that fails once ends in a bare OSError."""
    for path in (tmp_path / "other.db", tmp_path / "talk.db"):
        with CheckpointStore(path) as store:
            store.open_job("talk.srt", total_chunks=1).complete(0, {"n": 0})
            store.backup(tmp_path / "copy.db", replace=True)
    for fails in range(1, 9):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StorageUnavailableError, StoreTargetError):
            _fail_once(patch, tmp_path / name, fails)
            if name.startswith("copy"):
                restore_store(tmp_path / "talk.db", tmp_path / "copy.db")
            else:
                with CheckpointStore(tmp_path / "talk.db") as store:
                    store.merge(tmp_path / "other.db")


def test_reading_and_opening_where_a_disk_does_not_answer(tmp_path: Path) -> None:
    """A read-only store reports the missing disk at each read; opening and recovering it report that, too."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, {"n": 0})
    with CheckpointStore(tmp_path / "talk.db", read_only=True) as store:
        job = store.job("talk.srt")
        with pytest.MonkeyPatch.context() as patch:
            _no_answers(patch, tmp_path)
            for read in (job.progress, store.check, lambda: job.result(0)):
                with pytest.raises(StorageUnavailableError, match="Input/output error"):
                    read()
            for opens in (CheckpointStore, recover_store):
                with pytest.raises(StoreTargetError, match="Input/output error"):
                    opens(tmp_path / "talk.db")
        assert job.result(0) == {"n": 0}


class Mount:
    """A file system in an image, or a folder seen through bindfs, which can be mounted again."""

    def __init__(self, disk: str, folder: Path) -> None:
        self._disk, self._folder, self.place = disk, folder, folder / "disk"
        self._server: subprocess.Popen[bytes] | None = None
        self.place.mkdir()
        if disk == "FUSE":
            (folder / "real").mkdir()
        else:
            command, mebibytes = disks.MAKE[disk]
            with (folder / "image").open("wb") as file:
                file.truncate(mebibytes << 20)
            disks.run(*command.split(), folder / "image")

    def __enter__(self) -> Path:
        if self._disk != "FUSE":
            wait_until(self._mount_image)
            return self.place
        disks.run("bindfs", "--version")
        self._server = subprocess.Popen(["bindfs", "-f", self._folder / "real", self.place])
        wait_until(self.place.is_mount)
        return self.place

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", self.place], check=True, timeout=60)
        self.end_server()

    def _mount_image(self) -> bool:
        disks.run("mount", "-o", "loop", self._folder / "image", self.place)
        if not os.statvfs(self.place).f_flag & os.ST_RDONLY:
            return True
        self.__exit__()  # the kernel still has the file system as it was lost: a process keeps it a moment longer
        return False

    def end_server(self) -> None:
        """Kill the process that serves a FUSE mount."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None


REFUSED_BY_THE_KERNEL: Final = r"Input/output error|ile system is read-only now|Read-only file system"
"""What a file system says that has given up: EIO or EROFS, by its kind, by the kernel, and by how far the call came."""
LOST: Final[dict[str, tuple[str, Callable[[Mount], object], str]]] = {
    "turned read-only": (
        "ext4",
        lambda mount: disks.run("mount", "-o", "remount,abort", mount.place),
        REFUSED_BY_THE_KERNEL,
    ),
    "shut down": (
        "xfs",
        lambda mount: disks.run("xfs_io", "-x", "-c", "shutdown -f", mount.place),
        REFUSED_BY_THE_KERNEL,
    ),
    "server died": ("FUSE", Mount.end_server, r"Transport endpoint is not connected"),
}


@pytest.mark.root
@pytest.mark.parametrize("how", LOST)
def test_a_mount_that_is_lost_under_an_open_store(tmp_path: Path, how: str) -> None:
    """Each call says what is the matter; nothing that was acknowledged is missing once the disk is mounted again.

    What was given to a call that failed may come back, too: it is kept on another disk, and the next opening records it.
    """
    disk, lose, said = LOST[how]
    mount = Mount(disk, tmp_path)
    with mount as place:
        store = CheckpointStore(place / "talk.db")
        job = store.open_job("talk.srt", total_chunks=8)
        job.complete_many((index, {"n": index}) for index in range(4))
        lose(mount)
        for call in CALLS.values():
            with pytest.raises(StorageUnavailableError, match=said):
                call(job)
        for read in (store.check, job.progress, store.jobs, lambda: list(job.items())):
            with contextlib.suppress(StorageUnavailableError):  # memory may have what is asked for
                read()
        with contextlib.suppress(StorageUnavailableError):
            assert store.check() == []  # a disk that is gone is no damage
        with pytest.raises(StorageUnavailableError, match=said):
            store.close()
    with mount as place:
        recorded = _recorded(place)
    assert recorded[:4] == [0, 1, 2, 3]
    assert recorded[4:] in ([], [5, 6])


@pytest.mark.root
def test_a_mount_that_comes_back_is_one_store_again(tmp_path: Path) -> None:
    """An open store goes on through the new mount, and nobody recovers the store away from under it."""
    mount = Mount("FUSE", tmp_path)
    with mount as place:
        store = CheckpointStore(place / "talk.db")
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, {"n": 0})
        mount.end_server()
        with pytest.raises(StorageUnavailableError, match="Transport endpoint"):
            job.complete(1, {"n": 1})
    with mount as place, store:
        job.complete(1, {"n": 1})
        with pytest.raises(StoreInUse):
            recover_store(place / "talk.db", accept_loss=True, lock_timeout_seconds=0.05)
        job.complete(2, {"n": 2})
        store.close()
        assert _recorded(place) == [0, 1, 2]


@pytest.mark.root
def test_a_mount_with_an_open_store_cannot_be_made_read_only(tmp_path: Path) -> None:
    """The kernel makes no disk with an open store read-only; a store on a read-only disk can be read."""
    with Mount("ext4", tmp_path) as place:
        with CheckpointStore(place / "talk.db") as store:
            job = store.open_job("talk.srt", total_chunks=2)
            refused = subprocess.run(["mount", "-o", "remount,ro", place], capture_output=True, check=False, timeout=60)
            assert refused.returncode != 0
            job.complete(0, {"n": 0})
        disks.run("mount", "-o", "remount,ro", place)
        with CheckpointStore(place / "talk.db", read_only=True) as store:
            assert store.job("talk.srt").result(0) == {"n": 0}
        with pytest.raises(StoreTargetError, match="read_only=True"):
            CheckpointStore(place / "talk.db")
