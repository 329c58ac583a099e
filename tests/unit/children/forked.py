"""Fork while a thread holds a lock; the child takes it once the thread has let go."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from pathlib import Path

from checkpoint_store.system.file_lock import file_lock

# Python 3.12 and later warn of a fork beside a thread; what comes of such a fork is what is looked at here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
path = Path(sys.argv[1])
held, done = threading.Event(), threading.Event()


def hold():
    with file_lock(path, 10):
        held.set()
        done.wait(60)


thread = threading.Thread(target=hold)
thread.start()
held.wait(60)
go, ready = os.pipe()
child = os.fork()
if child == 0:
    os.read(go, 1)
    with file_lock(path, 30):
        os._exit(0)
done.set()
thread.join()
os.write(ready, b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
