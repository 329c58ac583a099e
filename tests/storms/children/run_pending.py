"""Run a job with pending()."""

from __future__ import annotations

from storms.children.runner_work import total, work

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
    job = store.open_job("talk.srt", total_chunks=total)
    for chunk in job.pending(wait=True):
        chunk.complete(work(chunk.index))
