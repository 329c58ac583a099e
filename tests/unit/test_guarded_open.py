"""Files beside a store are opened with care, and errors name the file that people know."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

import checkpoint_store
from checkpoint_store import StorageFullError, StorageUnavailableError
from checkpoint_store.cli.run.outputs.log import open_to_append
from checkpoint_store.storage import runner_lock
from checkpoint_store.storage.connection.errors import translate
from checkpoint_store.system.files import GUARDS, NEW, final_path, open_new, open_regular, storage_error, temporary_path

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(checkpoint_store.__file__).parent
OPENERS = {"system/files.py", "cli/run/outputs/log.py"}
"""The command stands on public names only, so it has an opener of its own."""
CREATORS = OPENERS | {"system/shared_lock.py", "cli/run/joblog.py", "testing/child.py"}
"""They mend the mode of a new file, or pass the flag to what does; the last makes a log for one run of a test."""


@pytest.mark.parametrize("opener", [open_regular, open_to_append])
def test_only_a_regular_file_is_opened(opener: object, tmp_path: Path) -> None:
    """What somebody put in the place of a file is not followed, not waited for and not written to."""
    assert callable(opener)
    (tmp_path / "there").write_text("as it was")
    (tmp_path / "link").symlink_to("there")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError) as caught:
            opener(tmp_path / name, os.O_RDWR)
        assert caught.value.errno == (errno.ELOOP if name == "link" else errno.EINVAL)
    file = opener(tmp_path / "there", os.O_RDWR)
    assert os.read(file, 9) == b"as it was"
    os.close(file)


@pytest.mark.parametrize("opener", [open_regular, open_to_append, lambda path, _: open_new(path.with_name("new"))])
def test_a_file_that_cannot_be_looked_at_is_closed(
    opener: Callable[[Path, int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk does not answer after the opening, no descriptor is left open, and no new file is left."""
    opened: list[int] = []

    def failing(file: int) -> os.stat_result:
        opened.append(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "there").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", failing)
        with pytest.raises(OSError, match="Input/output error"):
            opener(tmp_path / "there", os.O_RDWR)
    with pytest.raises(OSError) as caught:
        os.fstat(*opened)
    assert caught.value.errno == errno.EBADF
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_pipe_in_the_place_of_a_runners_lock_is_not_waited_for(tmp_path: Path) -> None:
    """A look at who lives ends, whatever has the name of a lock."""
    os.mkfifo(tmp_path / "pipe")
    for look in (runner_lock.probe, runner_lock.begun_by):
        with pytest.raises(StorageUnavailableError):
            look(tmp_path / "pipe")


def test_a_new_file_is_never_made_behind_a_symlink(tmp_path: Path) -> None:
    """No new file is made behind a symlink, not even behind a dangling symlink."""
    (tmp_path / "link").symlink_to("missing")
    with pytest.raises(FileExistsError):
        os.open(tmp_path / "link", NEW)
    assert not (tmp_path / "missing").exists()


def test_the_guards_stand_in_one_place() -> None:
    """Who mends how such a file is opened mends it for all of them."""
    assert GUARDS & os.O_NOFOLLOW
    naming = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if "O_NOFOLLOW" in path.read_text()
    }
    assert naming == OPENERS


def test_new_files_are_made_in_few_places() -> None:
    """A new file goes through ``open_new``, so that its owner may use it under any umask."""
    naming = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if "O_CREAT" in path.read_text()}
    assert naming == CREATORS


@each_case("ending", ["", "-wal", "-journal"])
def test_an_error_names_what_a_temporary_file_was_to_become(tmp_path: Path, ending: str) -> None:
    """Who reads the message knows the file, also where a copy of a copy was written."""
    path = tmp_path / "talk.db"
    partial = temporary_path(temporary_path(path))
    partial = partial.with_name(partial.name + ending)
    assert final_path(partial) == path
    full = storage_error(OSError(errno.ENOSPC, "No space left on device"), partial)
    assert isinstance(full, StorageFullError)
    assert full.path == str(path)
    refused = sqlite3.OperationalError("unable to open database file")
    refused.sqlite_errorcode = sqlite3.SQLITE_READONLY
    unavailable = translate(refused, partial, 0)
    assert isinstance(unavailable, StorageUnavailableError)
    assert unavailable.path == str(path)


@each_case("name", ["talk.tmp-notes.db", "a.tmp-0123456789ab.txt", ".tmp-0123456789ab"])
def test_a_name_of_ones_own_stays(tmp_path: Path, name: str) -> None:
    """A file whose name only looks like that of a temporary file is called by its name."""
    assert final_path(tmp_path / name) == tmp_path / name
