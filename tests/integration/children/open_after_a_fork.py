"""Fork with an open store, and open its file again where the first argument says; say what was read and how soon."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from checkpoint_store import CheckpointStore

where, read_only = sys.argv[1], sys.argv[2] == "True"
path = Path("talks.db")


def open_again() -> None:
    """Open the file a second time, and read from it."""
    began = time.monotonic()
    with CheckpointStore(path, read_only=read_only, lock_timeout_seconds=20) as other:
        done = other.job("talk.srt").progress().completed_chunks
    print(done, time.monotonic() - began < 15, flush=True)


with CheckpointStore(path) as store:
    job = store.open_job("talk.srt", total_chunks=2)
    job.complete(0, "zero")
    child = os.fork()
    if not child:
        if where == "child":
            open_again()
        os._exit(0)
    os.waitpid(child, 0)
    if where == "parent":
        open_again()
    job.complete(1, "one")
    print(job.status, store.check())
