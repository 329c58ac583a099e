"""Make a store with tries of every kind and a copy of it; end as the argument says: ``kill`` or ``close``."""

from __future__ import annotations

import os
import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=12, model="m", config={"chunk_size": 2000})
job.complete(0, "done")
for _ in range(3):
    job.fail_chunk(1, "RuntimeError: never")
job.fail_chunk(2, "RuntimeError: once")
for chunk in job.pending():
    if chunk.index == 3:
        break
job.export()
store.backup("copy.db")
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
store.close()
