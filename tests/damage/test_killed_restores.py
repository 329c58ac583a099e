"""A restore that is killed at any step: the next open has the store of before, or the backup, and nothing between."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, restore_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OF_BACKUP = {0: "a", 1: "b"}
NEWER = [pytest.param({2: "new"}, id="more chunks"), pytest.param({0: "other"}, id="another result")]
MOVES_MAX = 12


def _restore_killed(is_at: Callable[[str], bool], backup: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Restore, and be killed in place of a renaming, by the name that the file would get. Return whether it was."""
    rename, dead = os.replace, False

    def rename_or_die(old: Any, new: Path) -> None:
        nonlocal dead
        dead = dead or is_at(new.name)
        if dead:
            raise KeyboardInterrupt
        rename(old, new)

    with monkeypatch.context() as patch, warnings.catch_warnings(), suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore")
        patch.setattr(os, "replace", rename_or_die)
        restore_store(backup, path)
    return dead


def _results(path: Path) -> dict[int, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = CheckpointStore(path)
    with store:
        return dict(store.job("talk.srt").items())


def _make(folder: Path, newer: dict[int, str]) -> tuple[Path, Path]:
    folder.mkdir()
    path, backup = folder / "talks.db", folder / "copy.db"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete_many(OF_BACKUP.items())
        store.backup(backup)
        for index, result in newer.items():
            job.complete(index, result, replace=True)
    return path, backup


@pytest.mark.slow_variants
@pytest.mark.parametrize("newer", NEWER)
def test_a_restore_that_is_killed_is_not_undone_by_the_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: dict[int, str]
) -> None:
    """The newer state file of the replaced store is out of the way once the backup is in place."""
    path, backup = _make(tmp_path / "one", newer)
    renamed: list[str] = []

    def is_behind_the_store(name: str) -> bool:
        renamed.append(name)
        return "talks.db" in renamed[:-1]

    assert _restore_killed(is_behind_the_store, backup, path, monkeypatch)
    assert _results(path) == OF_BACKUP
    assert _results(path) == OF_BACKUP


@pytest.mark.slow
@pytest.mark.parametrize("newer", NEWER)
def test_a_restore_that_is_killed_at_any_renaming_is_done_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: dict[int, str]
) -> None:
    """After a kill at each renaming, the results are all of before or all of the backup, also at the second open."""
    for move in range(MOVES_MAX):
        path, backup = _make(tmp_path / str(move), newer)
        renamings = count()
        was_killed = _restore_killed(lambda _, at=move, of=renamings: next(of) == at, backup, path, monkeypatch)
        found = _results(path)
        assert found in ([OF_BACKUP, OF_BACKUP | newer] if was_killed else [OF_BACKUP]), move
        assert _results(path) == found, move
        if not was_killed:
            return
    pytest.fail("the restore has more renamings than this test counts")
