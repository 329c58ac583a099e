"""Fork while another thread writes the state file."""

from __future__ import annotations

import os
import threading

from checkpoint_store import CheckpointStore
from checkpoint_store.state_file import writer
from checkpoint_store.storage.connection import database

database._FORK_PATIENCE_SECONDS = 2  # the fork waits in vain: what it waits for goes on after it

store = CheckpointStore("talks.db", lock_timeout_seconds=2)
job = store.open_job("f", total_chunks=9)
inside, go_on = threading.Event(), threading.Event()
original = writer.replace_file


def slow(*arguments, **options):
    inside.set()
    go_on.wait()
    return original(*arguments, **options)


writer.replace_file = slow
thread = threading.Thread(target=job.pause)
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    writer.replace_file = original
    job.complete(0, "child")
    job.pause()
    os._exit(0)
go_on.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), job.result(0))
store.close()
