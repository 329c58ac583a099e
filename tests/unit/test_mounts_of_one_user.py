"""Some mounts give every file to one user, whoever makes it: there the owner of a file says nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreTargetError
from checkpoint_store.storage.files import sibling_check

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store all of whose files, new ones included, are another user's than that of this process."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        path = store.path
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4321)
    monkeypatch.setattr(sibling_check, "_LOOK_SECONDS", 0.0)
    return path


@pytest.mark.parametrize("kind", ["vfat", "9p", "fuse"])
def test_a_store_on_such_a_mount_is_no_strangers(
    of_another_user: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A USB stick, a share or a shared folder of a virtual machine holds a store, and leaves no probe behind."""
    monkeypatch.setattr(sibling_check, "file_system", lambda _path: kind)
    before = sorted(os.listdir(of_another_user.parent))
    sibling_check.refuse_foreign(of_another_user)
    assert sorted(os.listdir(of_another_user.parent)) == before


def test_a_strangers_store_on_a_disk_is_refused(of_another_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: where files have owners, the store file is not ours."""
    monkeypatch.setattr(sibling_check, "file_system", lambda _path: "ext4")
    with pytest.raises(StoreTargetError, match="another user"):
        sibling_check.refuse_foreign(of_another_user)
