"""The log names a copy that cannot be read: who keeps copies learns that they would not help."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StorageUnavailableError, StoreRecovered, recover_store, restore_store
from checkpoint_store.storage.recovery import healing

from .recovery_tools import TOTAL, _make, _result, _ruin, _spoil_result

if TYPE_CHECKING:
    from pathlib import Path


def not_read(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Return the names of the copies that cannot be read, as the log says."""
    lines = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    return {line.partition(" cannot be read")[0].rpartition("/")[2] for line in lines}


def test_healing_names_each_copy_that_does_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log names a backup, a state file or a ``.bak`` that cannot be read, but no missing copy."""
    _make(tmp_path)
    _spoil_result(tmp_path / "talks.db", 3)
    (backup,) = tmp_path.glob("*.backup-*")
    sound = backup.with_name("talks.db.backup-1.5-0000")
    sound.write_bytes(backup.read_bytes())
    with CheckpointStore(tmp_path / "talks.db") as store:
        backup.write_bytes(b"\xa5" * 8192)
        (tmp_path / "talks.json").unlink()
        (tmp_path / "talks.json").mkdir()
        (tmp_path / "talks.bak").unlink(missing_ok=True)
        with pytest.warns(StoreRecovered):
            assert store.job("talk.srt").result(3) == _result(3)
        assert not_read(caplog) == {backup.name}
        caplog.clear()
        sound.unlink()
        _spoil_result(tmp_path / "talks.db", 5)
        assert healing.heal(store._context.reading._database, [tmp_path / "talks.json"], None).broken == 1  # type: ignore[union-attr]
        assert not_read(caplog) == {backup.name, "talks.json"}
        (tmp_path / "talks.json").rmdir()


def test_healing_says_why_it_put_nothing_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the store takes nothing now, reads have the result all the same, and the log has the cause."""
    _make(tmp_path)
    _spoil_result(tmp_path / "talks.db", 3)

    def full(*_: object) -> Any:
        raise StorageUnavailableError(tmp_path / "talks.db", "no room")

    with CheckpointStore(tmp_path / "talks.db") as store:
        monkeypatch.setattr(healing, "_put_back", full)
        with pytest.warns(StoreRecovered):
            assert len(list(store.job("talk.srt").results())) == TOTAL
    assert "were not put back: StorageUnavailableError" in caplog.text


def test_a_backup_that_does_not_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new backup is made beside an unreadable backup."""
    _make(tmp_path)
    (backup,) = tmp_path.glob("*.backup-*")
    backup.write_bytes(b"\xa5" * 8192)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job("talk.srt").finish()
    assert len(list(tmp_path.glob("*.backup-*"))) == 2
    assert backup.name in not_read(caplog)


@pytest.mark.slow
def test_a_recovery_names_a_state_file_that_it_cannot_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recovery names a state file that cannot be read, but no missing one, and brings all else back."""
    _make(tmp_path)
    (tmp_path / "talks.bak").unlink(missing_ok=True)
    _ruin(tmp_path / "talks.db")
    read = type(tmp_path).read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "talks.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(type(tmp_path), "read_bytes", refuse)
    recover_store(tmp_path / "talks.db")
    assert not_read(caplog) == {"talks.json"}


def test_a_restore_that_cannot_rename_the_state_file_raises_an_error_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a restore names the state file that cannot be renamed, and the store is as it was."""
    _make(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        copy = store.backup(tmp_path / "copy.db")
    before = (tmp_path / "talks.db").read_bytes()
    rename = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source == tmp_path / "talks.json":
            raise PermissionError(1, "Operation not permitted", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageUnavailableError, match=r"talks\.json cannot be used now"):
        restore_store(copy, tmp_path / "talks.db")
    assert (tmp_path / "talks.db").read_bytes() == before
