"""Open a store, which upgrades it, and stop at one place until a line comes; then complete what is left.

argv: the place (waits, before, alone, or any other word for none), and the time-out of the lock in seconds.
"""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.storage.connection import open_lock
from checkpoint_store.storage.upgrade import migrate

real_wait, real_copy, real_run = open_lock.Wait.a_moment, migrate._back_up, migrate.run


def wait(*arguments):
    print("waits", flush=True)
    sys.stdin.readline()
    real_wait(*arguments)


def stop(name, real):
    def stopped(*arguments, **options):
        print(name, flush=True)
        sys.stdin.readline()
        return real(*arguments, **options)

    return stopped


if sys.argv[1] == "waits":
    open_lock.Wait.a_moment = wait  # type: ignore[method-assign]  # in this process alone
elif sys.argv[1] == "before":
    migrate.run = stop("before", real_run)
elif sys.argv[1] == "alone":
    migrate._back_up = stop("alone", real_copy)
try:
    with CheckpointStore("talks.db", lock_timeout_seconds=float(sys.argv[2])) as store:
        job = store.open_job("talk.srt", total_chunks=40)
        completed = []
        for chunk in job.pending():
            chunk.complete("by the newer code")
            completed.append(chunk.index)
        print(completed, flush=True)
except CheckpointStoreError as error:
    print(type(error).__name__, getattr(error, "holders", None), flush=True)
