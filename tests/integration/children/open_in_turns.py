"""Open a job of one of two plans ten times, and complete a chunk that only this plan has; print the jobs."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

mine = "ab"[int(sys.argv[1]) % 2]
ids = set()
with CheckpointStore("talks.db") as store:
    for _ in range(10):
        job = store.open_job("f", chunks=[mine, "c"], on_change="reuse")
        job.complete(0, mine)
        assert job.result(0) == mine
        ids.add(job.job_id)
print(*ids)
