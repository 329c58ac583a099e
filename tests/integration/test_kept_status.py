"""A status that somebody set after the last chunk stays, whichever way the job travels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StoreRecovered

from .manager_tools import a_state, old_state

if TYPE_CHECKING:
    from pathlib import Path

AS_RECORDED = pytest.mark.parametrize(
    ("written", "kept"),
    [
        (("pending", None), ("pending", None)),
        (("paused", None), ("paused", None)),
        (("failed", "the disk of the subtitles is full"), ("failed", "the disk of the subtitles is full")),
        (("completed", "two warnings"), ("completed", "two warnings")),
        (("running", None), ("completed", None)),  # what the plan's update_chunk_complete leaves behind its last chunk
    ],
)
DONE = {"total_chunks": 2, "completed_chunks": [0, 1], "processed_results": [{"text": "a"}, {"text": "b"}]}


def said_of(path: Path) -> tuple[str, str | None]:
    with StateManager(path) as manager:
        state = manager.load()
    assert state is not None
    assert state.completed_chunks == [0, 1]
    return state.status.value, state.error_message


@AS_RECORDED
def test_an_import_keeps_what_was_said_of_a_whole_job(
    tmp_path: Path, written: tuple[str, str | None], kept: tuple[str, str | None]
) -> None:
    """The plan's file says why its job failed; only ``running``, which the last chunk left there, becomes completed."""
    fields = dict(zip(("status", "error_message"), written, strict=True))
    (tmp_path / "state.json").write_text(json.dumps(old_state(**DONE, **fields)), "utf-8")
    assert said_of(tmp_path / "state.json") == kept


@pytest.mark.slow_variants
@AS_RECORDED
def test_a_merge_keeps_what_was_said_of_a_whole_job(
    tmp_path: Path, written: tuple[str, str | None], kept: tuple[str, str | None]
) -> None:
    """The job of another machine comes with its status and its message."""
    status, error = written
    with StateManager(tmp_path / "there.json") as manager:
        manager.save(a_state(**DONE, status=status, error_message=error))
    with CheckpointStore(tmp_path / "here.db") as store:
        (merged,) = store.merge(tmp_path / "there.db").jobs
        assert merged.status == kept[0]
        state = store.job(merged.job_id).state()
    assert (state.status.value, state.error_message) == kept


@pytest.mark.slow
@AS_RECORDED
def test_a_recovery_keeps_what_was_said_of_a_whole_job(
    tmp_path: Path, written: tuple[str, str | None], kept: tuple[str, str | None]
) -> None:
    """A store that is made anew from its state file keeps the status and the error of a whole job."""
    status, error = written
    with StateManager(tmp_path / "state.json") as manager:
        manager.save(a_state(**DONE, status=status, error_message=error))
    (tmp_path / "state.db").write_bytes(b"no longer a database" * 500)
    with pytest.warns(StoreRecovered):
        assert said_of(tmp_path / "state.json") == kept


@pytest.mark.slow_variants
@pytest.mark.parametrize("comes_by", ["import", "merge"])
def test_a_job_that_is_made_whole_is_completed(tmp_path: Path, comes_by: str) -> None:
    """The chunk that was missing is taken in: what had failed is completed."""
    whole = a_state(**DONE)
    with StateManager(tmp_path / "state.json") as manager:
        manager.save(a_state(total_chunks=2, status="failed", error_message="chunk 1: HTTP 500"))
    (tmp_path / "whole.json").write_text(whole.to_json(), "utf-8")
    with CheckpointStore(tmp_path / "state.db") as store:
        if comes_by == "import":
            store.import_state(tmp_path / "whole.json")
        else:
            store.merge(tmp_path / "whole.json")
    assert said_of(tmp_path / "state.json") == ("completed", None)


@pytest.mark.slow
def test_the_same_import_twice_changes_no_status(tmp_path: Path) -> None:
    """A state file that brings nothing new says nothing of the job's end."""
    (tmp_path / "old.json").write_text(a_state(**DONE).to_json(), "utf-8")
    with CheckpointStore(tmp_path / "state.db") as store:
        store.import_state(tmp_path / "old.json")
    with StateManager(tmp_path / "state.json") as manager:
        manager.set_status("failed", "no subtitles were written")
    with CheckpointStore(tmp_path / "state.db") as store:
        store.import_state(tmp_path / "old.json")
        store.merge(tmp_path / "old.json")
    assert said_of(tmp_path / "state.json") == ("failed", "no subtitles were written")


def test_a_job_without_chunks_stays_as_it_was_written(tmp_path: Path) -> None:
    """Nothing was completed in it: it is running still."""
    (tmp_path / "state.json").write_text(ProcessingState(file_name="f", status="running").to_json(), "utf-8")
    with StateManager(tmp_path / "state.json") as manager:
        state = manager.load()
    assert state is not None
    assert state.status == "running"
