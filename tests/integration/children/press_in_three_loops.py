"""Press Ctrl-C in a loop in the body of another one, with a third loop in another thread."""

from __future__ import annotations

import os
import signal
import threading
import time

from checkpoint_store import CheckpointStore, JobPaused


def work(text):
    time.sleep(0.1)
    return text


with CheckpointStore("talks.db") as store:
    jobs = [store.open_job(name, chunks=list("abcdefghij" * 10)) for name in ("outer", "inner", "beside")]

    def run_beside():
        try:
            list(jobs[2].map(work))
        except JobPaused as error:
            print(error.job_id == jobs[2].job_id)

    beside = threading.Thread(target=run_beside)
    pressed = False
    try:
        for _ in jobs[0].map(str.upper):
            beside.start()
            for _ in jobs[1].map(work):
                if not pressed and jobs[2].progress().completed_chunks:
                    pressed = True
                    os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        beside.join()
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    print(*(job.status for job in jobs), *(0 < job.progress().completed_chunks < 100 for job in jobs))
    print(store.map(str.upper, ["a"], file_name="last"))
