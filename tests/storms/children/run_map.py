"""Run a job with map()."""

from __future__ import annotations

from storms.children.runner_work import total, work

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
    for item in store.open_job("talk.srt", total_chunks=total).map(work, workers=3, max_attempts=50):
        pass
