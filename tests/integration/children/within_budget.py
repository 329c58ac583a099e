"""Work with four workers and a budget, beside others."""

from __future__ import annotations

import time

from checkpoint_store import BudgetReached, CheckpointStore


def work(text):
    time.sleep(0.02)
    return {"cost": 0.01 if text == "chunk 0" else 0.3}


with CheckpointStore("talks.db") as store:
    try:
        store.map(work, [f"chunk {index}" for index in range(64)], file_name="f", workers=4, max_cost=3.0)
    except BudgetReached:
        print("reached")
