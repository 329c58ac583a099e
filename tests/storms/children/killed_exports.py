"""Kill processes that do nothing but export."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

from storms.forking import ended, forked

from checkpoint_store import CheckpointStore, ProcessingState, StateFormatError

kills_wanted = int(sys.argv[1])
random.seed(2)
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=400)
    job.complete_many((index, {"text": "x" * 1500, "chunk": index}) for index in range(300))
    job_id = job.job_id


def work():
    os.umask(0)
    with CheckpointStore("talks.db") as store:
        while True:
            store.job(job_id).export()


kills = torn = left = 0
modes = set()
while kills < kills_wanted:
    child = forked(work)
    time.sleep(random.uniform(0.0, 0.06))
    os.kill(child, signal.SIGKILL)
    kills += ended(child)
    for name in ("talks.json", "talks.bak"):
        try:
            with open(name) as file:
                state = ProcessingState.from_json(file.read())
            torn += name == "talks.json" and len(state.completed_chunks) != 300
        except FileNotFoundError:
            torn += name == "talks.json"
        except StateFormatError:
            torn += 1
    modes |= {os.stat(name).st_mode & 0o777 for name in os.listdir(".") if name.startswith("talks")}
    if kills % 5 == 0:
        with CheckpointStore("talks.db") as store:
            store.job(job_id).export()
        left += len([name for name in os.listdir(".") if ".tmp-" in name])
print(json.dumps([kills, torn, left, sorted(modes)]))
