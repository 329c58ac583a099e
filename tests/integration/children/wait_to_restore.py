"""Say when the restoring begins to wait, and when it is done."""

from __future__ import annotations

from checkpoint_store import restore_store
from checkpoint_store.storage.connection import open_lock

real = open_lock.Wait.a_moment


def said(*arguments):
    print("waits", flush=True)
    real(*arguments)


open_lock.Wait.a_moment = said  # type: ignore[method-assign]  # in this process alone
restore_store("copy.db", "talks.db", lock_timeout_seconds=100)
print("restored")
