"""A trigger that is put into a store while it is open: no writing call says that it wrote what the trigger undid."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job

TABLES = ("jobs", "completed_chunks", "chunk_results", "attempts", "runners", "pauses", "chunk_handles")
WAYS: dict[str, Callable[[CheckpointStore, Job], Any]] = {
    "pause": lambda _, job: job.pause(),
    "fail": lambda _, job: job.fail("no answer"),
    "fail a chunk": lambda _, job: job.fail_chunk(1, "no answer"),
    "retry": lambda _, job: job.retry_failed(),
    "claim": lambda _, job: next(iter(job.pending())),
    "handle": lambda _, job: job.record_handle([1], "batch_1"),
    "metadata": lambda _, job: job.set_metadata({"owner": "ana"}),
    "a new job": lambda store, _: store.open_job("other.srt", total_chunks=1),
    "grow": lambda store, _: store.open_job("talk.srt", total_chunks=4, on_change="extend"),
    "delete": lambda store, job: store.delete_job(job.job_id),
    "prune": lambda store, _: store.prune(keep_last=0, dry_run=False),
}


def plant(path: Path) -> None:
    """Let every row of every table be passed over."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as raw:
        for table in TABLES:
            for event in ("INSERT", "UPDATE", "DELETE"):
                raw.execute(f"CREATE TRIGGER e{event}{table} BEFORE {event} ON {table} BEGIN SELECT RAISE(IGNORE); END")


@pytest.mark.parametrize("way", WAYS)
def test_no_call_says_that_it_wrote(tmp_path: Path, way: str) -> None:
    """Each verb that writes raises an error that names the trigger, and what was stored stays."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, "paid for")
        job.fail_chunk(2, "no answer")
        plant(store.path)
        with pytest.raises(StoreDamaged, match="somebody put a trigger"):
            WAYS[way](store, job)
        assert dict(job.items()) == {0: "paid for"}


@pytest.mark.parametrize("way", ["save", "status", "clear"])
def test_no_call_of_a_manager_says_that_it_wrote(tmp_path: Path, way: str) -> None:
    """`save`, `set_status` and `clear` do not say that they did what a trigger passed over."""
    manager = StateManager(tmp_path / "talk.json")
    state = ProcessingState(job_id="a", file_name="talk.srt", total_chunks=2, status="running")
    manager.save(state)
    plant(tmp_path / "talk.db")
    with pytest.raises(StoreDamaged, match="somebody put a trigger"):
        {
            "save": lambda: manager.save(state.replace(video_title="Talk")),
            "status": lambda: manager.set_status("paused"),
            "clear": manager.clear,
        }[way]()
