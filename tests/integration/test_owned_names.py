"""Which names a store keeps for itself: nothing else may be written there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.file_names import StoreFiles, moved_aside, state_backup
from checkpoint_store.storage.siblings import Siblings
from checkpoint_store.system.files import temporary_path

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("talk.db", "talk.sqlite", ".processing_state.db")


def own_files(store: Path) -> list[Path]:
    """Every file that a store may have beside it."""
    files = StoreFiles(store)
    state = files.state_file
    numbered = [
        Siblings(store).next_backup("1.2"),
        temporary_path(Siblings(store).next_backup("1.2")),
        moved_aside(store, "corrupt"),
    ]
    runner = store.with_name(f"{store.name}.runner-1")
    return [*files.own, state, state_backup(state), *numbered, runner, temporary_path(store)]


@pytest.mark.parametrize("name", NAMES)
def test_a_store_owns_what_it_writes(tmp_path: Path, name: str) -> None:
    """Each of its files is its own, whether it is there or not; so is every file that a job leaves."""
    with CheckpointStore(tmp_path / name) as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
        assert [path for path in own_files(store.path) if not store.owns(path)] == []
        assert [path for path in tmp_path.iterdir() if not store.owns(path)] == []


@pytest.mark.parametrize("name", ["talk.txt", "talk.cleaned.txt", "talk.db.txt", "x.talk.db", "other.json", "talk.db2"])
def test_a_store_owns_no_other_file(tmp_path: Path, name: str) -> None:
    """A text beside the store is not the store's, and neither is a file of the same name elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    with CheckpointStore(tmp_path / "talk.db") as store:
        assert not store.owns(tmp_path / name)
        assert not store.owns(tmp_path / "elsewhere" / "talk.db")


def test_a_name_is_known_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, or one through a linked folder, is the same file; so is a state file that was put elsewhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    with CheckpointStore("data/talk.db", state_file=tmp_path / "state.json") as store:
        owned = ("data/talk.db", "link/talk.db-wal", "data/../data/talk.lock", "state.json", "state.bak")
        assert [path for path in owned if not store.owns(path)] == []
