"""Offer a result of this process for every chunk; print which were taken."""

from __future__ import annotations

import json
import sys

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted

number, won = int(sys.argv[-1]), []
with CheckpointStore("talks.db", durability="process") as store:
    job = store.open_job("f", total_chunks=100)
    for index in range(100):
        try:
            job.complete(index, {"by": number})
            won.append(index)
        except ChunkAlreadyCompleted:
            pass
print(json.dumps(won))
