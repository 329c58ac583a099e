"""Open files of a store past SQLite, in each of the ways that are watched."""

from __future__ import annotations

import os
import sqlite3

from faults.children.watch import caught, root

from checkpoint_store import CheckpointStore

path = os.path.join(root, "other.db")
with CheckpointStore(path) as store:
    store.open_job("x", total_chunks=1)
    open(path, "rb").close()
    os.close(os.open(path + "-shm", os.O_RDONLY))
    sqlite3.connect(f"file://{path}?mode=ro&immutable=1", uri=True).close()
print(len(caught))
