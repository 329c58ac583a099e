"""A store on a file system that is mounted read-only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StorageUnavailableError, StoreTargetError, doctor
from checkpoint_store.cli.messages import message_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store; from now on the system says that its folder is on a read-only file system."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("f", total_chunks=1).complete(0, "paid for")
    access, values = os.access, list(os.statvfs(tmp_path))
    values[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "access", lambda path, mode, **more: not mode & os.W_OK and access(path, mode, **more))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))
    return path


def test_the_refusal_says_that_the_file_system_is_read_only(read_only: Path) -> None:
    """No chmod helps; the store can be read."""
    reading = r"its file system is read-only; mount it for writing, or open it with read_only=True to read"
    with pytest.raises(StoreTargetError, match=reading):
        CheckpointStore(read_only)
    with CheckpointStore(read_only, read_only=True) as store:
        assert list(store.jobs()[0].results()) == ["paid for"]


def test_the_refusal_of_a_new_store_says_so_too(read_only: Path) -> None:
    """The remedy is another folder."""
    with pytest.raises(StoreTargetError, match="its file system is read-only; mount it for writing, or choose another"):
        CheckpointStore(read_only.with_name("new.db"))


def test_the_doctor_says_that_nothing_can_be_recorded(read_only: Path) -> None:
    """The contents are sound, and no run can begin: a report without a warning would mislead."""
    found = {finding.what: finding for finding in doctor(read_only, state_file=None)}
    assert found["contents"].level == "ok"
    assert (found["writing"].level, found["writing"].remedy) == ("warning", "mount it for writing")
    assert "its file system is read-only" in found["writing"].says


def test_the_command_blames_no_permission_either(read_only: Path) -> None:
    """What a restore or a recovery cannot write is on a read-only file system: no permission helps."""
    told = message_of(StorageUnavailableError(read_only, "Read-only file system"))
    assert f"the file system of {read_only.parent} is read-only" in told
    assert "permission" not in told
