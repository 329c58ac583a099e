"""Fork a child that lives on while a lock file is opened; print whether its lock is free once it was released.

argv: what opens the file: an open store ("share"), or a look at a runner ("probe").
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from checkpoint_store.storage.runner_lock import probe, reap
from checkpoint_store.system.shared_lock import SharedLock

path = Path("a.lock")
path.touch()
go, ready = os.pipe()
open_file = os.open


def fork_at_open(*arguments: Any) -> int:
    file = open_file(*arguments)
    vars(os)["open"] = open_file
    if os.fork() == 0:  # as another thread does, when this thread has not come back from the call yet
        os.close(ready)
        os.read(go, 1)
        os._exit(0)
    return file


vars(os)["open"] = fork_at_open
if sys.argv[1] == "share":
    lock = SharedLock(path, create=True)
    lock.share(0)
    lock.release()
    print(SharedLock(path, create=True).take(alone=True))
else:
    probe(path)
    print(reap(path) is not None)
