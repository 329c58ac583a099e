"""Hang in the call of one chunk, whose reservation counts."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore


def work(text):
    if text == sys.argv[1]:
        print("at work", flush=True)
        input()
    return {"cost": 0.4}


with CheckpointStore("talks.db") as store:
    store.map(work, [f"chunk {index}" for index in range(64)], file_name="f", max_cost=1.0)
