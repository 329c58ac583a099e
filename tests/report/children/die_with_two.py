"""Die with two chunks in work."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
held = []
for chunk in store.job("talk.txt").pending():
    held.append(chunk)
    if len(held) == 2:
        os._exit(0)
