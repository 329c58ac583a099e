"""Open a store, as whoever runs this, and say how far its jobs are, or why not. Arguments: its path, read-only or not."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore, CheckpointStoreError

try:
    with CheckpointStore(sys.argv[1], read_only=sys.argv[2] == "True") as opened:
        print("opened", [job.progress().percent for job in opened.jobs()])
except CheckpointStoreError as error:
    print(type(error).__name__, error)
