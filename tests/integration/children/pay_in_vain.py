"""Pay for a chunk while another process holds the lock of the writers, and end. argv: that program; closed, or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from checkpoint_store import CheckpointStore, StoreBusy

program, end = sys.argv[1:]
holder = None


def work(index):
    global holder
    if index == 3:
        holder = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout.readline() == b"held\n"
    return {"paid": index}


store = CheckpointStore("talks.db", lock_timeout_seconds=0.05)
try:
    list(store.open_job("talk.srt", total_chunks=5).map(work))
except StoreBusy as error:
    print(error.__notes__[0], flush=True)
if end == "killed":
    holder.communicate(b"end\n")
    os.kill(os.getpid(), signal.SIGKILL)
try:
    store.close()
except StoreBusy as error:
    print(error.__notes__[0], flush=True)
holder.communicate(b"end\n")
