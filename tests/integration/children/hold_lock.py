"""Stand still while a lock is held, and go on after; a line ends it. argv: the lock, and how (waits for a line, stops)."""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection.open_lock import store_lock

inside, how = sys.argv[1:]


def stand_still(*_):
    print("inside", flush=True)
    if how == "stops":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        sys.stdin.readline()


store = CheckpointStore("talks.db")
store.open_job("talk.srt", total_chunks=4)
if inside == "a transaction":
    store._context.storage.database.write(stand_still)
else:
    with store_lock(store.path, 10):
        stand_still()
print("outside", flush=True)
sys.stdin.readline()
store.close()
