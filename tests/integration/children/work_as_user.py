"""Work on a store as whoever runs this; print what comes of it, warnings and errors included.

argv: what to do, in this order: begin, back up, go on, count, read (by a read-only open).
"""

from __future__ import annotations

import sys
import warnings

from checkpoint_store import CheckpointStore, CheckpointStoreError


def begin(store):
    store.open_job("talk.srt", total_chunks=9).complete(0, "paid for")


def back_up(store):
    store.backup("copy.db")


def go_on(store):
    job = store.open_job("talk.srt", total_chunks=9)
    next(iter(job.pending())).complete("more")
    print(sorted(index for index, _ in job.items()))


def count(store):
    print(len(store.jobs()))


def read(store):
    print(store.jobs()[0].result(0))


warnings.simplefilter("always")
warnings.showwarning = lambda message, *_: print(message)
todo = [globals()[word.replace(" ", "_")] for word in sys.argv[1:]]
try:
    with CheckpointStore("talks.db", read_only=read in todo) as store:
        for work in todo:
            work(store)
except CheckpointStoreError as error:
    print(type(error).__name__, error)
