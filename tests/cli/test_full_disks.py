"""A disk without room under run: what is told of the result in hand is true, and no result is paid for twice."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StorageFullError
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.group_commit import Writer

from .conftest import SIX

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Folder


def test_run_says_once_where_the_result_in_hand_is(
    lecture: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk ``run`` names the file that keeps the result in hand; the next run pays for the other chunks."""
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    write = unrecorded_files.write

    def refuse(*_: object) -> None:
        raise StorageFullError(lecture.path, "No space left on device", 0)

    def write_elsewhere(path: Path, results: Any) -> None:
        return refuse() if path.parent == lecture.path else write(path, results)

    line = ["run", "lecture.txt", *SIX, *lecture.command()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "submit", refuse)
        patch.setattr(unrecorded_files, "write", write_elsewhere)
        stderr = lecture.run(*line, code=2).stderr
    (path,) = elsewhere.rglob("*.unrecorded-*")
    assert f"kept in {path}, which the next open of the store takes in" in stderr
    assert stderr.count("The results of") == 1
    assert "memory" not in stderr
    assert "does them again" not in stderr
    lecture.run(*line, TMPDIR=str(elsewhere))
    assert len(lecture.calls()) == 6


@pytest.mark.slow_variants
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
def test_a_store_that_cannot_be_closed_after_the_last_file_is_told(
    lecture: Folder, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot be closed after the last file is exit 2 with the reason, beside the report of that file."""

    def full(store: CheckpointStore, *_: object) -> None:
        store.close()
        raise StorageFullError(store.path, "No space left on device", 0)

    monkeypatch.setattr(CheckpointStore, "__exit__", full)
    done = lecture.run("run", "lecture.txt", *SIX, *more, code=2)
    assert "no room to write" in done.stderr
    assert "6 chunks done" in done.stderr
    assert ("StorageFullError" in done.stdout) == bool(more)
