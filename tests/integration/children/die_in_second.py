"""Die with the second chunk in work."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.txt", chunks=["a", "b", "c"])
    for chunk in job.pending():
        if chunk.index == 1:
            os._exit(0)
        chunk.complete({"text": chunk.data})
