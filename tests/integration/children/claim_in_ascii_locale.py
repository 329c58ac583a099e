"""In a process whose locale knows no letter but those of ASCII: print who is at work, and which chunk is free."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store import CheckpointStore

(path,) = Path().glob("*.db")
assert sys.getfilesystemencoding() == "ascii"
with CheckpointStore(path) as store:
    job = store.job("talk.srt")
    print(job.is_active, next(job.pending()).index)
    job.fail_chunk(2, "reported by no runner")
