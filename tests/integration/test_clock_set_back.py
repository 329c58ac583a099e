"""A clock that is set back: what is newer is told by what was written later, never by what the clock said."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOUR_NS = 3_600_000_000_000


def set_back(patch: pytest.MonkeyPatch) -> None:
    """Let the clock of this process go an hour wrong."""
    right = time.time_ns
    patch.setattr(time, "time_ns", lambda: right() - HOUR_NS)


def test_a_replaced_result_survives_a_crash_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result is replaced, and the process dies before its state file is written: the store is sound, and right."""
    path, state_file = tmp_path / "talk.db", tmp_path / "talk.json"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, {"text": "first"})
    before = state_file.read_bytes()
    set_back(monkeypatch)
    with CheckpointStore(path) as store:
        store.job(job.job_id).complete(0, {"text": "second"}, replace=True)
    state_file.write_bytes(before)  # as the crash would have left it
    with CheckpointStore(path) as store:
        assert store.job(job.job_id).result(0) == {"text": "second"}


def test_updated_at_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes a job later has a time that is not earlier: a completion, a pause, an opening, the last chunk."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, {"n": 0})
        seen = [job.state().updated_at]
        set_back(monkeypatch)
        job.complete(1, {"n": 1})
        seen.append(job.state().updated_at)
        job.pause()
        seen.append(job.state().updated_at)
        store.open_job("talk.srt", total_chunks=3)
        seen.append(job.state().updated_at)
        assert (job.progress().chunks_per_minute or 1) > 0
        job.complete_many([(2, {"n": 2})])
        seen.append(job.state().updated_at)
        assert seen == sorted(seen)
