"""Files of the person's own, replaced whole: their mode, links, and names as long as the file system takes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store import replace_file
from checkpoint_store.system import files

if TYPE_CHECKING:
    from pathlib import Path

LONG_NAMES = ["x" * 255, "语" * 85, "语" * 80 + ".cleaned.txt", "é" * 119 + "x"]


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.lstat().st_mode)


@each_case("bits", [0o600, 0o640, 0o664])
def test_a_file_of_the_persons_own_keeps_its_mode(tmp_path: Path, bits: int) -> None:
    """A corrected text that others may read stays readable by them, and a private one stays private."""
    path = tmp_path / "talk.txt"
    path.write_text("old")
    path.chmod(bits)
    replace_file(path, ["new"], keeps_mode=True)
    assert (path.read_text(), mode(path)) == ("new", bits)


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask is: a transcript is nobody else's business."""
    for keeps_mode in (True, False):
        replace_file(tmp_path / f"{keeps_mode}", ["x"], keeps_mode=keeps_mode)
        assert mode(tmp_path / f"{keeps_mode}") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    """A text that root writes anew still belongs to the person who owned it."""
    path = tmp_path / "talk.txt"
    path.write_text("old")
    os.chown(path, 12345, 12345)
    replace_file(path, ["new"], keeps_mode=True)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """What a symbolic link names is somebody else's file, and stays as it is."""
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "link.txt").symlink_to("thesis.txt")
    replace_file(tmp_path / "link.txt", ["new"], keeps_mode=True)
    assert ((tmp_path / "thesis.txt").read_text(), (tmp_path / "link.txt").read_text()) == ("mine", "new")


@each_case("name", LONG_NAMES)
def test_a_name_as_long_as_the_file_system_takes_works(tmp_path: Path, name: str) -> None:
    """The temporary file beside it has a shorter name, and what a killed writer left of it is found."""
    path = tmp_path / name
    assert replace_file(path, ["text"]) == 4
    left = files.temporary_path(path)
    left.write_text("torn")
    assert files.leftovers(path) == [left]
    files.sweep(path)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_two_long_names_do_not_share_their_temporary_files(tmp_path: Path) -> None:
    """Sweeping up after one writer removes nothing of another, whose file differs at the end of its name only."""
    one, other = tmp_path / f"{'x' * 250}1", tmp_path / f"{'x' * 250}2"
    at_work = files.temporary_path(other)
    at_work.write_text("")
    files.sweep(one)
    assert at_work.exists()
