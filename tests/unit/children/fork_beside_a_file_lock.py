"""Fork while a thread that uses an object is about to take a lock file; print whether the object came to rest."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.forks import ForkAware, watch

# Python 3.12 and later warn of a fork beside a thread; what comes of such a fork is what is looked at here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
path = Path("a.lock").absolute()
lock, in_use, forking = threading.RLock(), threading.Event(), threading.Event()


class Aware(ForkAware):
    def before_fork(self) -> None:
        forking.set()
        self.is_at_rest = lock.acquire(timeout=3)

    def after_fork(self) -> None:
        if self.is_at_rest:
            lock.release()


def use() -> None:
    with lock:
        in_use.set()
        forking.wait()
        with file_lock(path, 10):
            pass


with file_lock(path, 0):  # filelock is imported from here on
    pass
aware = Aware()
watch(aware)
user = threading.Thread(target=use)
user.start()
in_use.wait()
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
user.join()
print(aware.is_at_rest)
