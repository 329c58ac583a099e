"""Work within a rate of calls; print when each call was made."""

from __future__ import annotations

import time

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=[f"chunk {index}" for index in range(100)])
    for item in job.map(lambda _: time.monotonic(), workers=4, max_calls_per_minute=1200):
        print(item.result, flush=True)
