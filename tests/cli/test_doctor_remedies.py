"""``doctor`` says once what helps, however many problems the same command mends."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from tests.cli.conftest import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))


def _two_results_changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("UPDATE chunk_results SET result = '\"other\"'")
        driver.commit()


@pytest.mark.parametrize("damage", [_overwritten, _two_results_changed])
def test_doctor_says_once_how_to_recover(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """The command stands below the last of the problems that it mends, and not in them."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=2).complete_many({0: "a", 1: "b"}.items())
    damage(path)
    said = Folder(tmp_path).run("doctor", "--store", path, code=1).stdout
    assert said.count("checkpoint-store recover") == 1


def _cut_off(path: Path) -> None:
    os.truncate(path, 30_000)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _of_noise(path: Path) -> None:
    path.write_bytes(b"\xa5" * 8192)


@pytest.mark.slow_variants
@pytest.mark.parametrize("damage", [_cut_off, _emptied, _of_noise, _two_results_changed])
def test_doctor_prescribes_no_backup_of_a_damaged_store(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Doctor prescribes no backup and no prune of a store that is empty, or has to be recovered first."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=2).complete_many({0: "a", 1: "b"}.items())
    for backup in tmp_path.glob("talks.db.backup-*"):
        backup.unlink()
    (tmp_path / "talks.db.corrupt-20260101T000000.000000Z").write_bytes(b"an earlier damaged store")
    damage(path)
    said = Folder(tmp_path).try_to_run("doctor", "--store", path).stdout
    assert "none; the next one" in said
    assert "left-over files talks.db.corrupt-" in said
    assert not re.search("checkpoint-store (backup|prune)", said)


@pytest.mark.parametrize("width", [40, 80])
def test_doctor_breaks_no_word_and_no_command(tmp_path: Path, width: int) -> None:
    """What a finding says fits the screen, line by line; what helps is one line, which can be copied."""
    with CheckpointStore(tmp_path / "t.db") as store:
        store.open_job("talk.srt", total_chunks=2)
    for backup in tmp_path.glob("t.db.backup-*"):
        backup.unlink()
    (tmp_path / "t.db.corrupt-20260101T000000.000000Z").write_bytes(b"an earlier damaged store")
    said, piped = (
        Folder(tmp_path).run("doctor", "--store", "t.db", **environment).stdout
        for environment in ({"COLUMNS": str(width)}, {})
    )
    lines = said.splitlines()
    commands = [line.strip() for line in lines if "checkpoint-store " in line]
    assert commands == [line.strip() for line in piped.splitlines() if "checkpoint-store " in line]
    assert max(len(line) for line in lines if line.strip() not in commands) <= width
    assert said.split() == piped.split()
