"""``doctor`` says once what helps, however many problems the same command mends."""

from __future__ import annotations

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
