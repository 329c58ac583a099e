"""Set every clock that shows a date; the one that only measures runs on, as the system's does."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from storms.forking import import_early

from checkpoint_store import CheckpointStore, StoreRecovered
from checkpoint_store.storage import backup
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.recovery import recover

import_early()

warnings.simplefilter("default", StoreRecovered)
jump, when = float(sys.argv[1]), sys.argv[2]
real_time, real_ns, shift = time.time, time.time_ns, [0.0]
time.time = lambda: real_time() + shift[0]
time.time_ns = lambda: real_ns() + int(shift[0] * 1e9)
backup._COPYING_CREDIT_SECONDS = 1e9  # a copy at every end, also where the disk is slow


class Clock(dt.datetime):
    @classmethod
    def now(cls, tz=None):
        return dt.datetime.fromtimestamp(time.time(), tz)


recover.datetime = Clock


def leap(at):
    if when in (at, "both"):
        shift[0] += jump


said: dict[str, Any] = {}
with CheckpointStore("talks.db") as store:
    first = store.open_job("talk.srt", total_chunks=6)
    for index in range(3):
        first.complete(index, index)
    leap("during")
    for index in range(3, 5):
        first.complete(index, index)
    progress = first.progress()
    said["progress"] = [
        progress.completed_chunks,
        progress.percent > 80,
        progress.chunks_per_minute is None or progress.chunks_per_minute >= 0,
    ]
    first.pause()
leap("between")
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=6)
    said["resumed"] = [job.job_id == first.job_id, [chunk.index for chunk in job.pending()]]
    job.complete(5, 5)
    rate = job.progress().chunks_per_minute
    said["rate"] = rate is None or rate >= 0
    job.finish()
    second = store.open_job("talk.srt", total_chunks=2, fresh=True)
    said["latest"] = store.latest_job().job_id == second.job_id
    leap("during")
    third = store.open_job("other.srt", total_chunks=1)
    said["order"] = [one.job_id for one in store.jobs()] == [third.job_id, second.job_id, first.job_id]
    leap("between")
    said["newest of the file"] = store.open_job("talk.srt", total_chunks=2).job_id == second.job_id
    for _ in range(4):
        leap("during")
        third.pause()
        third.resume()
    said["results"] = list(job.results()) == list(range(6))
    said["check"] = store.check() == []
names = [path.name for path in Siblings(Path("talks.db")).backups()]
said["backups"] = [0 < len(names) <= 2, names == sorted(names, reverse=True)]
with CheckpointStore(Siblings(Path("talks.db")).backups()[0], state_file=None, read_only=True) as store:
    said["newest backup"] = len(store.jobs()) == 3
os.truncate("talks.db", 10000)
leap("both")
with CheckpointStore("talks.db") as store:
    said["recovered"] = list(store.job(first.job_id).results()) == list(range(6))
print(json.dumps(said))
