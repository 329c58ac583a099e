"""Fork for each request: the fork does it and is killed, or fills the room that a limit of the file size leaves."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
import warnings

from storms.forking import forked

from checkpoint_store import CheckpointStore, StorageFullError, StoreRecovered


def killed(path, index, value, moment):
    store = CheckpointStore(path)
    job = store.jobs()[0]
    if moment == "after":
        job.complete(index, value, replace=True)
    elif moment == "before":
        pass
    else:
        timer = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL))
        timer.start()
        job.complete(index, value, replace=True)
        job.export()
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def full(path, index, value):
    store = CheckpointStore(path)
    job = store.jobs()[0]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))  # of the WAL, wherever it goes on
    try:
        job.complete(index, "x" * 300_000, replace=True)
        os._exit(3)
    except StorageFullError:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    job.complete(index, value, replace=True)
    store.close()


warnings.simplefilter("ignore", StoreRecovered)
for line in sys.stdin:
    what, *arguments = json.loads(line)
    child = forked(killed if what == "killed" else full, *arguments)
    print(json.dumps(os.waitpid(child, 0)[1]), flush=True)
