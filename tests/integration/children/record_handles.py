"""Record handles, and be killed with the second."""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore

job = CheckpointStore("talks.db").job(sys.argv[1])
for chunk in job.pending():
    assert chunk.handle is None
    chunk.record_handle(f"batch-{chunk.index}")
    if chunk.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
