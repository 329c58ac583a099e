"""Fork while a thread writes; the child ends as told, and the parent goes on."""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import threading
import time
import warnings

from storms.forking import import_early

from checkpoint_store import CheckpointStore

import_early()

how, forks = sys.argv[1], int(sys.argv[2])
TOTAL = 1_000_000
store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=TOTAL)
acknowledged, running = {}, True


def write():
    index = 0
    while running:
        job.complete(index, {"parent": index})
        acknowledged[index] = {"parent": index}
        index += 1


writer = threading.Thread(target=write, daemon=True)
writer.start()


def parents():
    return [
        number
        for number in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{number}") and "talks.db" in os.readlink(f"/proc/self/fd/{number}")
    ]


def holders(path):
    """The processes that hold a POSIX lock on this file, by the kernel's list; as SQLite does while it has a WAL open."""
    status = os.stat(path)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with open("/proc/locks") as table:
        fields = [line.split() for line in table if "->" not in line]
    return {int(field[4]) for field in fields if field[1] == "POSIX" and field[5] == place}


def positions(numbers):
    return {number: open(f"/proc/self/fdinfo/{number}").read() for number in numbers}


def child(number):
    inherited = parents()
    if how == "works":
        at = TOTAL - 1 - number
        job.complete(at, {"child": number})
        assert job.result(at) == {"child": number}
        assert set(parents()) > set(inherited), "no connection of its own was opened"
        store.close()
        assert set(parents()) == set(inherited), "the parent's was closed, or its own was not"
    elif how == "closes":
        store.close()
        assert set(parents()) == set(inherited)
    elif how == "collects":
        for name in ("store", "job"):
            del globals()[name]
        gc.collect()
        assert set(parents()) == set(inherited)


failed = 0
for number in range(forks):
    time.sleep(random.uniform(0, 0.005))
    pid = os.fork()
    if pid == 0:
        code = 1
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            child(number)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        if how == "exits" and code == 0:
            sys.exit(0)
        os._exit(code)
    failed += os.waitpid(pid, 0)[1] != 0
    before = len(acknowledged)
    while len(acknowledged) < before + 2:  # the parent connects again at its next call
        time.sleep(0.001)
    assert os.getpid() in holders(store.path), "the parent lost its lock"
running = False
writer.join()
found = dict(job.items())
lost = sum(found.get(index) != value for index, value in acknowledged.items())
missing = sum(found.get(TOTAL - 1 - number) != {"child": number} for number in range(forks)) if how == "works" else 0
problems = store.check()
store.close()
print(json.dumps([forks, failed, len(acknowledged), lost, missing, len(problems)]))
