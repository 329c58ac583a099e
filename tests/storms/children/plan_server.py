"""Fork for each run of a batch: the forks open plans at the same time, pay for what is left, and may be killed.

Each line of stdin is a folder and a list of runs, each line of stdout the list of their wait statuses. What a run pays for is a line
of ``paid.log`` before the result is recorded.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from storms.forking import forked

from checkpoint_store import CheckpointStore


def run(folder, number, plan, kill_after, kill_in_work):
    log = os.open(os.path.join(folder, "paid.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    store = CheckpointStore(os.path.join(folder, "talks.db"), durability="process", lock_timeout_seconds=60)
    job = store.open_job(**plan)
    for done, chunk in enumerate(job.pending()):
        if done == kill_after and not kill_in_work:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(log, (json.dumps([number, job.job_id, chunk.data]) + "\n").encode())
        if done == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        chunk.complete({"text": chunk.data, "model": plan["model"], "config": plan["config"]})
    store.close()


for line in sys.stdin:
    folder, runs = json.loads(line)
    children = [forked(run, folder, number, *spec) for number, spec in enumerate(runs)]
    print(json.dumps([os.waitpid(child, 0)[1] for child in children]), flush=True)
