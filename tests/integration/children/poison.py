"""Die of the first chunk. The argument is ``max_attempts``, or 0 for none."""

from __future__ import annotations

import os
import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
for chunk in store.latest_job().pending(max_attempts=int(sys.argv[1]) or None):
    if chunk.index == 0:
        print("poison", flush=True)
        os.kill(os.getpid(), 9)
    break
store.close()
