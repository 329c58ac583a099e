"""Replacing a file: the new file appears whole, belongs to its owner alone, and follows no symlink of a stranger."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, replace_file
from checkpoint_store.errors import InvalidArgumentError, StorageFullError, StorageUnavailableError
from checkpoint_store.storage.connection import errors
from checkpoint_store.system import descriptors, file_replacement, files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEFTOVER = ".tmp-0123456789ab"

# In a process of its own, since the umask belongs to the whole process.
UNDER_UMASK = program(__file__, "under_umask")


def mode(path: Path) -> str:
    """The permission bits of a file, in octal."""
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def names(folder: Path) -> list[str]:
    """What is in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow_variants
@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_private_under_any_umask(tmp_path: Path, umask: str) -> None:
    """Whatever the umask, every file is 0600 in every moment of its life: the new, the temporary, the backup, the lock."""
    run = subprocess.run(
        [sys.executable, UNDER_UMASK, str(tmp_path), umask], capture_output=True, text=True, check=True
    )
    expected = [(name, "0o600") for name in ("backup", "created", "lock", "state")]
    assert str(expected) == run.stdout.strip()


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    """A private file is created where nothing is: not over a file, and not through a symlink, even a dangling one."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(FileExistsError):
            files.create_private(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path) == ["dangling", "file", "link"]


def test_replace_writes_and_says_the_size(tmp_path: Path) -> None:
    """The text is there, in UTF-8 without changed line ends, and the size is in bytes."""
    path = tmp_path / "state.json"
    assert file_replacement.replace_file(path, ["a\n", "月\r\n"]) == 7
    assert path.read_bytes() == "a\n月\r\n".encode()
    assert (mode(path), names(tmp_path)) == ("0o600", ["state.json"])


def test_the_file_before_becomes_the_backup(tmp_path: Path) -> None:
    """The backup is the file before this one, and a first write makes none."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    file_replacement.replace_file(path, ["1"], backup=backup)
    assert names(tmp_path) == ["s.json"]
    file_replacement.replace_file(path, ["2"], backup=backup)
    file_replacement.replace_file(path, ["3"], backup=backup)
    assert (path.read_text(), backup.read_text(), names(tmp_path)) == ("3", "2", ["s.bak", "s.json"])


def test_a_public_file_becomes_a_private_backup(tmp_path: Path) -> None:
    """A 0644 file of an older program is 0600 from when it is our backup."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    path.write_text("old")
    path.chmod(0o644)
    file_replacement.replace_file(path, ["new"], backup=backup)
    assert (backup.read_text(), mode(path), mode(backup)) == ("old", "0o600", "0o600")


def test_a_symlink_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Where state file and backup are symlinks to a stranger's files, the links are replaced and the files stay."""
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "theirs").chmod(0o644)
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    path.symlink_to(tmp_path / "theirs")
    backup.symlink_to(tmp_path / "theirs")
    file_replacement.replace_file(path, ["1"], backup=backup)
    file_replacement.replace_file(path, ["2"], backup=backup)
    assert ((tmp_path / "theirs").read_text(), mode(tmp_path / "theirs")) == ("theirs", "0o644")
    assert [(path.is_symlink(), path.read_text()), (backup.is_symlink(), backup.read_text())] == [
        (False, "2"),
        (False, "1"),
    ]


@each_case("failure", [ValueError("a bug"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, failure: BaseException) -> None:
    """Whatever stops a write half way, file and backup are as they were, and nothing is left beside them."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    file_replacement.replace_file(path, ["1"])
    file_replacement.replace_file(path, ["2"], backup=backup)

    def pieces() -> Iterator[str]:
        yield "x" * 1_000_000
        raise failure

    with pytest.raises((type(failure), StorageFullError)):
        file_replacement.replace_file(path, pieces(), backup=backup)
    assert (path.read_text(), backup.read_text(), names(tmp_path)) == ("2", "1", ["s.bak", "s.json"])


@each_case("call", ["replace", "link", "fsync"])
@each_case("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """No room at any step is one error that says where; file and backup are as they were."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    file_replacement.replace_file(path, ["1"])
    file_replacement.replace_file(path, ["2"], backup=backup)

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageFullError) as caught:
            file_replacement.replace_file(path, ["3"], backup=backup)
    at = backup if call == "replace" else path  # the first file that is to be replaced
    assert (caught.value.path, caught.value.reason) == (str(at), os.strerror(number))
    assert caught.value.free_bytes is not None
    assert (path.read_text(), backup.read_text(), names(tmp_path)) == ("2", "1", ["s.bak", "s.json"])
    file_replacement.replace_file(path, ["3"], backup=backup)
    assert (path.read_text(), backup.read_text()) == ("3", "2")


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links the backup is a private copy."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    file_replacement.replace_file(path, ["1"])

    def unsupported(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    file_replacement.replace_file(path, ["2"], backup=backup)
    assert (path.read_text(), backup.read_text(), mode(backup)) == ("2", "1", "0o600")
    assert names(tmp_path) == ["s.bak", "s.json"]


def test_it_is_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is on disk before it takes the name, and the name before the call returns."""
    path = tmp_path / "s.json"
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def seen_fsync(descriptor: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def seen_replace(source: Path, target: Path) -> None:
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_replace)
    file_replacement.replace_file(path, ["1"])
    assert done == ["sync file", "rename", "sync folder"]


def test_a_large_file_is_whole_where_hints_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses hints about a file gets the whole file: a hint is not needed."""
    hints: list[tuple[int, int]] = []

    def refused(_: int, start: int, size: int, __: int) -> None:
        hints.append((start, size))
        raise OSError(errno.EINVAL, "this file system knows no hints")

    monkeypatch.setattr(os, "posix_fadvise", refused, raising=False)
    text = "a line\n" * 100_000
    assert file_replacement.replace_file(tmp_path / "state", [text] * 3) == len(text) * 3
    assert (tmp_path / "state").read_text() == text * 3
    assert hints == [(0, len(text) * 2)]


def test_a_reader_sees_one_whole_file_or_the_other(tmp_path: Path) -> None:
    """While the file is written again and again, no reader finds it missing, torn or mixed; nor its backup."""
    path, backup = tmp_path / "s.json", tmp_path / "s.bak"
    texts = {letter * 200_000 for letter in "abc"}
    file_replacement.replace_file(path, ["c" * 200_000])
    file_replacement.replace_file(path, ["a" * 200_000], backup=backup)
    writer = subprocess.Popen([sys.executable, program(__file__, "replace_often"), path])
    try:
        while writer.poll() is None:
            assert {path.read_text(), backup.read_text()} <= texts
    finally:
        writer.kill()
        writer.wait()
    assert writer.returncode == 0
    assert names(tmp_path) == ["s.bak", "s.json"]


def test_sweep_removes_what_killed_writers_left(tmp_path: Path) -> None:
    """What a killed writer of this file left is removed, and nothing else: no neighbour's, no person's own file."""
    kept = [
        "s.json",
        "s.bak",
        "t.json" + LEFTOVER,
        "s.json.tmp-notes",
        "s.json.tmp-",
        "s.json" + LEFTOVER + "0",
        "as.json" + LEFTOVER,
    ]
    for name in [*kept, "s.json" + LEFTOVER, "s.json.tmp-ba9876543210"]:
        (tmp_path / name).write_text("x")
    files.sweep(tmp_path / "s.json")
    assert sorted(kept) == names(tmp_path)


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", [".processing_state.json", "a*b.json", "a?[b].json", "[x].json", "näme 月.json"])
def test_sweep_takes_names_literally(tmp_path: Path, name: str) -> None:
    """A name with wildcards in it is that name alone, and what replace_file leaves is what sweep knows."""
    others = ["aXb.json" + LEFTOVER, "x.json" + LEFTOVER, "aXb.json"]
    for other in others:
        (tmp_path / other).write_text("x")
    run = subprocess.run([sys.executable, program(__file__, "killed_replacement"), tmp_path / name], check=False)
    assert run.returncode == 9
    assert len(names(tmp_path)) == len(others) + 1
    files.sweep(tmp_path / name)
    assert sorted(others) == names(tmp_path)


def test_the_next_writer_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    """An export, a page or an output that was killed leaves no file for ever; a writer at work keeps its own."""
    path = tmp_path / "page.html"
    path.with_name(f"page.html{LEFTOVER}").write_text("half")

    def texts() -> Iterator[str]:
        yield "x" * 100_000
        replace_file(path, ["of another writer"])
        yield "y"

    assert replace_file(path, texts()) == 100_001
    assert names(tmp_path) == ["page.html"]
    assert path.stat().st_size == 100_001


def test_a_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error that names the file, and none is made."""
    path = tmp_path / "no" / "s.json"
    with pytest.raises(StorageUnavailableError) as caught:
        file_replacement.replace_file(path, ["1"])
    assert caught.value.path == str(path)
    files.sweep(path)
    assert names(tmp_path) == []


def test_errors_of_the_operating_system(tmp_path: Path) -> None:
    """No room is told from all else, with the cause in the system's own words."""
    full = files.storage_error(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "a")
    other = files.storage_error(OSError(errno.EIO, "Input/output error"), tmp_path / "a")
    bare = files.storage_error(OSError("no number"), tmp_path / "a")
    assert [type(full), type(other), type(bare)] == [StorageFullError, StorageUnavailableError, StorageUnavailableError]
    assert [full.reason, other.reason, bare.reason] == ["No space left on device", "Input/output error", "no number"]


def test_what_has_run_out_besides_bytes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of a file, and a file system without a free inode: to free bytes would help nobody."""
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (8192, 8192))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    for full in (
        files.storage_error(OSError(errno.EFBIG, "File too large"), tmp_path / "a"),
        errors.translate(error, tmp_path / "a", 0.0),
    ):
        assert isinstance(full, StorageFullError)
        assert full.reason.endswith(": this process may write 8.2 kB into a file; raise that limit (ulimit -f)")
    full = files.storage_error(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "a")
    assert "ulimit -f" not in str(full)
    no_inode = {"f_files": 100, "f_favail": 0, "f_bavail": 1, "f_bfree": 1, "f_blocks": 1, "f_frsize": 4096}
    monkeypatch.setattr(files.os, "statvfs", lambda _: SimpleNamespace(**no_inode))
    full = files.storage_error(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "a")
    assert "its file system has no inode for another file; delete files there" in str(full)


def test_free_room_where_nothing_is_yet(tmp_path: Path) -> None:
    """How much is free is known for a file that does not exist in a folder that does not either."""
    assert (files.free_bytes(tmp_path / "no" / "such" / "file") or 0) > 0


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """On a file system that syncs files and no folders (vboxsf, some CIFS and FUSE), a store can be made and used."""
    refuse_to_sync_folders(monkeypatch, number)
    with CheckpointStore(tmp_path / "talk.db") as store:
        store.open_job("talk.srt", chunks=["a"]).complete(0, {"text": "A"})
        store.backup(tmp_path / "copy.db")
    with CheckpointStore(tmp_path / "talk.db") as store:
        assert store.job("talk.srt").result(0) == {"text": "A"}


def test_a_folder_that_is_not_synced_for_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fails while a folder is synced, nobody is told that the file is durable."""
    refuse_to_sync_folders(monkeypatch, errno.EIO)
    with pytest.raises(StorageUnavailableError):
        file_replacement.replace_file(tmp_path / "state.json", ["1"])


def refuse_to_sync_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let each sync of a folder end with this error of the operating system; files are synced as ever."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


@each_case(
    ("arguments", "name"),
    [
        ((3, ["x"]), "path"),
        ((".", ["x"]), "path"),
        (("a\0", ["x"]), "path"),
        (("\ud800", ["x"]), "path"),
        (("a", [b"x"]), "texts"),
        (("a", None), "texts"),
    ],
    ids=repr,
)
def test_what_cannot_be_written_is_named(tmp_path: Path, arguments: tuple[Any, Any], name: str) -> None:
    """A value that is no path of a file, and a part that is no text, are errors that name them; no file is left."""
    path, texts = arguments
    with pytest.raises(InvalidArgumentError) as caught:
        file_replacement.replace_file(f"{tmp_path}/{path}" if path == "a" else path, texts)
    assert caught.value.name == name
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """A pipe, as a device, stays what it is: a rename over /dev/null would take it away from the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(InvalidArgumentError, match=r"^path=.* is no regular file"):
            file_replacement.replace_file(path, ["x"])
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_file_may_be_named_by_text(tmp_path: Path) -> None:
    """The path and the path of the backup may be given as text, as everywhere in this library."""
    path, backup = tmp_path / "page.txt", tmp_path / "before.txt"
    for text in ("old", "new"):
        file_replacement.replace_file(str(path), [text], backup=str(backup))
    assert (path.read_text(), backup.read_text()) == ("new", "old")


def test_a_descriptor_that_becomes_another_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may close a file, and open another one, while a descriptor of the process is read."""
    path, other, pread = tmp_path / "talk.db", tmp_path / "other", os.pread
    path.write_bytes(b"ours")
    other.write_bytes(b"bits")
    with path.open("rb") as file, other.open("rb") as another:

        def pread_too_late(descriptor: int, size: int, offset: int) -> bytes:
            os.dup2(another.fileno(), descriptor)
            return pread(descriptor, size, offset)

        status = os.fstat(file.fileno())
        assert descriptors.OpenFile().read(status, 4, 0) == b"ours"
        monkeypatch.setattr(os, "pread", pread_too_late)
        assert descriptors.OpenFile().read(status, 4, 0) is None
