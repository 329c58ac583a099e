"""What the programs that interrupt share: an open store, and how it is judged at the end."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import random
import sqlite3
import sys
import time

from storms.forking import import_early

from checkpoint_store import CheckpointStore

import_early()

wanted, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
TOTAL = 10_000_000
kept = {}


def watch():
    faulthandler.dump_traceback_later(60, exit=True)


def descriptors():
    gc.collect()
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return sum("talks.db" in name for name in names), sum("talks.db" not in name for name in names)


def connections():
    gc.collect()
    return sum(isinstance(thing, sqlite3.Connection) for thing in gc.get_objects())


def judge(store, job, interrupts, acknowledged, before):
    found = dict(job.items())
    lost = sum(found.get(index) != value for index, value in acknowledged.items())
    unasked = sum(value != {"of": index} for index, value in found.items())
    open_connections = connections()
    assert store.check() == []
    job.complete(TOTAL - 1, "still works")
    assert job.result(TOTAL - 1) == "still works"
    store.close()
    leaked = [now - then for now, then in zip(descriptors(), before, strict=True)]
    leaked.append(max(open_connections - 3, connections()))
    print(json.dumps([interrupts, len(acknowledged), lost, unasked, *leaked]))


with CheckpointStore("talks.db") as store:  # what is opened once and kept, such as the time zone's file
    store.open_job("talk.srt", total_chunks=TOTAL).progress()
before = descriptors()
store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=TOTAL)
job.complete(0, {"of": 0})
job.result(0)
acknowledged = {0: {"of": 0}}
began = time.monotonic()
job.complete_many([(TOTAL - 2, {"of": TOTAL - 2})])
slow = max(1, (time.monotonic() - began) / 3e-3)  # on a slow disk the moments are as far apart as its calls are long
