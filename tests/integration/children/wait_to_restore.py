"""Say when the restoring begins to wait, and when it is done."""

from __future__ import annotations

from checkpoint_store import restore_store
from checkpoint_store.storage.connection import open_lock as presence

real = presence.wait_or_refuse


def said(*arguments):
    print("waits", flush=True)
    real(*arguments)


presence.wait_or_refuse = said
restore_store("copy.db", "talks.db", lock_timeout_seconds=100)
print("restored")
