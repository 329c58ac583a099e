"""Make a store, and keep a copy of its folder at several moments."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

from checkpoint_store import CheckpointStore

(seed,) = sys.argv[1:]
random.seed(seed)
FIRST, SECOND = 24, 30


def result(job, index, take=0):
    words = " ".join(random.choice(("uh", "well", "space", "moon", "Texas")) for _ in range(random.randrange(5, 700)))
    return {"job": job, "chunk": index, "take": take, "cleaned_text": words, "cost": index / 7}


def keep(name):
    subprocess.run(["cp", "-a", "work", name], check=True)


os.mkdir("work")
truth = {}
store = CheckpointStore("work/talks.db")
first = store.open_job("first.srt", total_chunks=FIRST, model="m", config={"chunk_size": 2000})
truth[first.job_id] = {}
for index in range(FIRST):
    truth[first.job_id][index] = result("first", index)
    first.complete(index, truth[first.job_id][index])
    if index == 7:
        keep("early")
first.finish()
second = store.open_job("second.srt", total_chunks=SECOND, model="m", config={"language": "en"})
truth[second.job_id] = {}
for index in range(20):
    truth[second.job_id][index] = result("second", index)
    second.complete(index, truth[second.job_id][index])
    if index == 9:
        second.pause()
        second.resume()
        keep("middle")
earlier = {second.job_id: {3: truth[second.job_id][3]}}
truth[second.job_id][3] = result("second", 3, take=2)
second.complete(3, truth[second.job_id][3], replace=True)
second.export()
keep("killed")
store.close()
keep("closed")
print(json.dumps({"truth": truth, "earlier": earlier, "second": second.job_id}))
