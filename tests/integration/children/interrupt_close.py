"""Close a store whose loop has a chunk in flight that never ends; the argument says which thread is in the loop."""

from __future__ import annotations

import sys
import threading

from checkpoint_store import CheckpointStore

both, paid = threading.Event(), []


def call(index):
    paid.append(index)
    if len(paid) == 2:
        both.set()
    threading.Event().wait(3600 if index else 0)
    return index


store = CheckpointStore("talks.db")
items = store.open_job("talk.srt", total_chunks=9).map(call, workers=2)
first = next(items)
if sys.argv[1] == "another thread's":
    threading.Thread(target=lambda: list(items), daemon=True).start()
both.wait(60)
try:
    print("closing", flush=True)
    store.close()
except KeyboardInterrupt:
    print("interrupted", flush=True)
