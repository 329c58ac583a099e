"""Fork in two threads at the same time; print whether the lock that is held over each fork is free at the end."""

from __future__ import annotations

import os
import threading
import time
import warnings

from checkpoint_store.system.forks import ForkAware, watch

# Python 3.12 and later warn of a fork beside a thread; what comes of such a fork is what is looked at here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
lock, at_rest = threading.RLock(), threading.Event()


class Aware(ForkAware):
    def before_fork(self) -> None:
        lock.acquire()
        if not at_rest.is_set():
            at_rest.set()
            time.sleep(0.2)  # the other thread forks meanwhile

    def after_fork(self) -> None:
        lock.release()


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


aware = Aware()
watch(aware)
first = threading.Thread(target=fork)
first.start()
at_rest.wait()
fork()
first.join()
free: list[bool] = []
look = threading.Thread(target=lambda: free.append(lock.acquire(timeout=1)))
look.start()
look.join()
print(free)
