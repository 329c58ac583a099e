"""The care of a store with a rollback journal, as on a network file system, leaves no file over."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, doctor, recover_store, restore_store
from checkpoint_store.storage.connection import pragmas

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _merge(path: Path) -> None:
    with CheckpointStore(path) as store:
        store.merge(path.with_name("b.db"))


def _back_up(path: Path) -> None:
    with CheckpointStore(path) as store:
        store.backup(path.with_name("c.db"))


def _heal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM alembic_version")
    CheckpointStore(path).close()


@pytest.mark.slow_variants
@pytest.mark.filterwarnings("ignore::checkpoint_store.StoreRecovered")
@pytest.mark.parametrize(
    "care", [recover_store, lambda path: restore_store(path.with_name("b.db"), path), _merge, _back_up, _heal],
    ids=["recover", "restore", "merge", "back up", "heal"],
)  # fmt: skip
def test_care_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, care: Callable[[Path], object]
) -> None:
    """No journal of a temporary file stays, of which the doctor would warn for ever."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _: "truncate")
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(tmp_path / "b.db")
    care(path)
    assert [name.name for name in tmp_path.iterdir() if ".tmp-" in name.name] == []
    with CheckpointStore(path) as store:
        assert dict(store.job("talk.srt").items()) == {0: "paid for"}
    left_over = [finding.says for finding in doctor(path) if finding.what == "left-over files"]
    assert not any(".tmp-" in says for says in left_over)


def _empty_beside_its_journal(path: Path) -> None:
    """Leave an emptied store file and the journal of a transaction that a kill broke off."""
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
    for backup in path.parent.glob("*.backup-*"):
        backup.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript("PRAGMA cache_size = 1; BEGIN; UPDATE chunk_results SET result = zeroblob(100000)")
        shutil.copyfile(f"{path}-journal", path.with_name("kept"))
        raw.execute("ROLLBACK")
    path.write_bytes(b"")
    path.with_name("kept").replace(f"{path}-journal")


def _read(path: Path) -> CheckpointStore:
    return CheckpointStore(path, read_only=True)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("call", "is_missing"),
    [(CheckpointStore, False), (CheckpointStore, True), (_read, False), (recover_store, False)],
    ids=["open", "open missing", "read", "recover"],
)
def test_an_emptied_store_beside_its_journal_is_no_new_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Path], object], is_missing: bool
) -> None:
    """No call begins a store anew, or lets SQLite remove the journal, if the journal tells that the file had pages."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _: "truncate")
    path = tmp_path / "talks.db"
    _empty_beside_its_journal(path)
    if is_missing:
        path.unlink()
    before = path.with_name("talks.db-journal").read_bytes()
    with pytest.raises(StoreDamaged, match=r"its journal is there|no job can be read"):
        call(path)
    assert path.with_name("talks.db-journal").read_bytes() == before
    moved_aside = recover_store(path, accept_loss=True).moved_aside if path.exists() else ()
    assert [name.read_bytes() for name in moved_aside if name.name.endswith("-journal")] == [before] * (not is_missing)
