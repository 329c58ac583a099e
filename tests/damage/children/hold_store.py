"""Hold a store open until a line comes, and write then."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
(job,) = store.jobs()
print("ready", flush=True)
sys.stdin.readline()
job.complete(7, "written meanwhile")
store.close()
