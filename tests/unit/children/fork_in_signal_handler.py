"""Fork once for each step of a fork, in which a signal handler forks, too; print the steps that leave a lock taken."""

from __future__ import annotations

import os
import signal
import sys
import threading

from checkpoint_store.system.forks import ForkAware, come_first, watch

step = ""


class Aware(ForkAware):
    def __init__(self) -> None:
        self.lock = threading.RLock()

    def before_fork(self) -> None:
        self.lock.acquire()
        fork_inside("before")

    def after_fork(self) -> None:
        fork_inside("after")
        self.lock.release()


def fork(*_: object) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def fork_inside(now: str) -> None:
    global step
    if now == step:
        step = ""
        signal.raise_signal(signal.SIGUSR1)


def is_free(aware: Aware) -> bool:
    """Whether another thread gets the lock, and may add an object."""
    told: list[bool] = []

    def look() -> None:
        watch(Aware())
        told.append(aware.lock.acquire(timeout=0.1))
        if told[-1]:
            aware.lock.release()

    other = threading.Thread(target=look, daemon=True)
    other.start()
    other.join(1)
    return told == [True]


signal.signal(signal.SIGUSR1, fork)
aware, another = Aware(), Aware()
for one in (aware, another):
    watch(one)
# Python calls this hook between the two calls of the library's own.
os.register_at_fork(before=lambda: fork_inside("hook before"), after_in_parent=lambda: fork_inside("hook after"))
come_first()
taken = []
for name in ("before", "hook before", "after", "hook after"):
    step = name
    fork()
    if step or not (is_free(aware) and is_free(another)):
        taken.append(name)
print(taken)
sys.stdout.flush()
os._exit(0)
