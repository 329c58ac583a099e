"""Hold a chunk in work until stdin ends."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore(sys.argv[1])
chunk = next(store.latest_job().pending())
print("ready", flush=True)
sys.stdin.read()
