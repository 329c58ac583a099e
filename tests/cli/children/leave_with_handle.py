"""Be killed with two chunks in work, one of which has a handle that would steer a terminal."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore

job = CheckpointStore(".processing_state.db").job("talk.txt")
chunks = job.pending()
kept = [next(chunks), next(chunks)]
kept[0].record_handle("batch\x1b[31m-0")
os.kill(os.getpid(), signal.SIGKILL)
