"""Work through a job with executors that all break."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor, Executor
from functools import partial

from checkpoint_store import CheckpointStore


class Broken(Executor):
    def submit(self, fn, /, *args, **_):
        print("asked", flush=True)
        raise BrokenExecutor


with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=list("abcdefgh"))
    try:
        list(job.map(str.upper, executor=Broken if sys.argv[1] == "class" else partial(Broken), workers=4))
    finally:
        print("end", job.status, job.progress().completed_chunks, len(job.running_chunks()), flush=True)
