"""Kill a recovery in place of every K-th call that changes a file, then open the store again and tell what is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import warnings

from storms.forking import import_early

from checkpoint_store import CheckpointStore

import_early()

warnings.simplefilter("ignore")


def dying(real):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    return call


for step in range(0, 500, int(sys.argv[1])):
    shutil.copytree("model", "work")
    child = os.fork()
    if child == 0:
        left = step
        for name in ("replace", "unlink", "fsync", "open"):
            setattr(os, name, dying(getattr(os, name)))
        CheckpointStore("work/talks.db").close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    with CheckpointStore("work/talks.db") as store:
        (job,) = store.jobs()
        found, problems = dict(job.items()), list(map(str, store.check()))
    strays = [name for name in os.listdir("work") if ".tmp-" in name or ".recovered" in name]
    print(json.dumps([step, status, found, problems, strays]), flush=True)
    shutil.rmtree("work")
    if status == 0:
        break
