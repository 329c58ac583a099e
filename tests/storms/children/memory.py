"""Print the memory at each tenth of the chunks, and the peak when the store is closed."""

from __future__ import annotations

import json
import sys
import time

from checkpoint_store import CheckpointStore


def megabytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


total, keeps = int(sys.argv[1]), sys.argv[2] == "keeps"
found, kept, started = [], [], time.monotonic()
with CheckpointStore("talks.db", durability="process") as store:
    job = store.open_job("talk.srt", total_chunks=total)
    for number, item in enumerate(job.map(lambda index: {"text": f"chunk {index} " * 10}, workers=4), 1):
        if keeps:
            kept.append((item, bytes(4000)))
        if number % (total // 10) == 0:
            found.append(megabytes("VmRSS"))
    done = job.progress().completed_chunks
seconds = time.monotonic() - started
print(json.dumps({"done": done, "rss": found, "peak": megabytes("VmHWM"), "seconds": seconds}))
