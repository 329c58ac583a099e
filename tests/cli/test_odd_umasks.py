"""A umask that takes rights from the owner of the files, too."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from checkpoint_store.cli.stand_in import stand_in
from checkpoint_store.storage.files.unrecorded import private_folder
from checkpoint_store.system.files import make_folder

from .conftest import SIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Folder


@contextmanager
def without_rights() -> Iterator[None]:
    """Give a new file or folder no rights, by a umask of 0777."""
    before = os.umask(0o777)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Return whether a path is a folder, and its mode, for each path in a folder."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}


def test_whoever_ran_may_run_again(lecture: Folder) -> None:
    """The owner may read and write all that a run makes: its store, its output, its log."""
    words = ("--store", "talks.db", "--joblog", "jobs.log", "--output", "out.txt")
    with without_rights():
        lecture.run("run", "lecture.txt", *SIX, *words, "--", "tr", "a-z", "A-Z")
    (lecture.path / "lecture.txt").unlink()
    assert modes(lecture.path) == {(False, 0o600)}


def test_folders_may_be_used(tmp_path: Path) -> None:
    """The owner may use each new folder: above a store, of a stand-in, for results that are kept elsewhere."""
    with without_rights():
        make_folder(tmp_path / "made" / "here")
        private_folder(tmp_path)
        with stand_in(tmp_path / "talks.db", tmp_path):
            assert modes(tmp_path) == {(True, 0o700), (False, 0o600)}
