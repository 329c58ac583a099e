"""Open new stores, one after the other, at the same moment as others."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

for attempt in range(int(sys.argv[1])):
    with CheckpointStore(f"talks-{attempt}.db") as store:
        job = store.open_job("f", total_chunks=8)
        job.complete(int(sys.argv[-1]), "x")
        ids = job.job_id
    print(ids, flush=True)
    sys.stdin.readline()
