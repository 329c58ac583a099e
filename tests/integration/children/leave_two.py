"""Be killed with two chunks in work, one of which has a handle."""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore

job = CheckpointStore("talks.db").job(sys.argv[1])
chunks = job.pending()
kept = [next(chunks), next(chunks)]
kept[0].record_handle("batch-0")
os.kill(os.getpid(), signal.SIGKILL)
