"""Work on the chunks of a job, and stop this process in the middle of one.

argv: the chunk, the loop (pending or map), and whether the job is for this runner alone (True or False).
"""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore, RunnerReleased

stopped, loop, exclusive = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "True"


def work(index):
    print("begun", index, flush=True)
    if index == stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    return "by the stopped one"


with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=6, exclusive=exclusive)
    try:
        if loop == "map":
            list(job.map(work))
        else:
            for chunk in job.pending():
                chunk.complete(work(chunk.index))
    except RunnerReleased as error:
        print(error, flush=True)
