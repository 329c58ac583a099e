"""The table of mounts: a name may have any letters, and a tab or a backslash stands there as an octal number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.system import paths as mounts

if TYPE_CHECKING:
    from pathlib import Path

LINE = "36 35 98:0 / {} rw,noatime master:1 - {} server:/share rw\n"


@pytest.fixture(params=["a share", "a\tshare", "a\\share", "a\rsh\fa\x85r\u2028e"])
def share(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the kernel's table calls the mount point of a network file system."""
    folder = tmp_path / request.param
    folder.mkdir()
    escaped = str(folder)
    for letter in "\\ \t":
        escaped = escaped.replace(letter, f"\\{ord(letter):03o}")
    table = tmp_path / "mountinfo"
    table.write_text(LINE.format("/", "ext4") + LINE.format(escaped, "nfs4"), "utf-8", newline="")
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    return folder


def test_a_mount_is_known_by_any_name(share: Path) -> None:
    """A network file system is known, and what is mounted by itself, whatever letters its name has."""
    assert mounts.file_system(share / "talks.db") == "nfs4"
    assert mounts.file_system(share.parent / "talks.db") == "ext4"
    assert mounts.is_mount_point(share)
    assert not mounts.is_mount_point(share.parent)


@each_case(("kind", "mode"), [("nfs4", "truncate"), ("ocfs2", "truncate"), ("gfs2", "truncate"), ("xfs", "wal")])
def test_a_disk_of_many_machines_has_no_wal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    """A store keeps a rollback journal where another machine may write the disk: it shares no memory, as a WAL needs."""
    table = tmp_path / "mountinfo"
    table.write_text(LINE.format("/", kind))
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    assert journal_mode_for(tmp_path / "talks.db") == mode
