"""A thread of a loop hangs for an hour."""

from __future__ import annotations

import time

from checkpoint_store import CheckpointStore


def work(text):
    if text == "b":
        time.sleep(3600)
    return text


with CheckpointStore("talks.db") as store:
    print(store.map(work, ["a", "b", "c"], file_name="f", timeout_seconds=1, on_error="record", max_attempts=1))
    print(store.latest_job().failed_chunks()[0].error)
