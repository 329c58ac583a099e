"""Hang in the call of the second chunk."""

from __future__ import annotations

import time

from checkpoint_store import CheckpointStore


def work(text):
    if text == "b":
        print("begun", flush=True)
        time.sleep(3600)
    return text


with CheckpointStore("talks.db") as store:
    store.map(work, ["a", "b", "c"], file_name="talk.srt")
