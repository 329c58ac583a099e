"""Be killed with one chunk complete and one in work."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db", state_file=None) as store:
    chunks = store.open_job("killed.srt", total_chunks=5).pending()
    next(chunks).complete("paid for")
    taken = next(chunks)
    os.kill(os.getpid(), signal.SIGKILL)
