"""The first cell of a notebook. The work says when it is to be interrupted, and ends once that was noticed."""

from __future__ import annotations

import asyncio
import logging
import threading

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", chunks=[str(number) for number in range(20)])
calls = []
may_end = threading.Event()


def work(text):
    calls.append(text)
    if text == "5" and not may_end.is_set():
        print("now", flush=True)
    assert int(text) < 4 or may_end.wait(60)
    return text.upper()


async def await_work(text):
    calls.append(text)
    if text == "4":
        print("now", flush=True)
        for _ in iter(lambda: any(task.cancelling() for task in asyncio.all_tasks()), True):
            await asyncio.sleep(0.01)
    return text.upper()


class Pausing(logging.Handler):
    def emit(self, record):
        if "pausing" in record.getMessage():
            on_pausing()


on_pausing = may_end.set
logging.getLogger("checkpoint_store").addHandler(Pausing())
logging.getLogger("checkpoint_store").setLevel(logging.INFO)
