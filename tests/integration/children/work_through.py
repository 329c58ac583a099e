"""Work through what is left of the newest job; print which chunks that were."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db", durability="process") as store, store.latest_job() as job:
    seen = []
    for chunk in job.pending():
        seen.append(chunk.index)
        chunk.complete({"pid": os.getpid()})
print(*seen)
