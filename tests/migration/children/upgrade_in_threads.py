"""Upgrade four copies of an old store in four threads at once. The argument is the store."""

from __future__ import annotations

import shutil
import sys
import threading

from checkpoint_store import CheckpointStore

failed = []


def upgrade(number, gate):
    try:
        gate.wait()
        with CheckpointStore(f"copy-{number}.db", state_file=None) as store:
            assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
    except BaseException as error:
        failed.append(repr(error))


for _ in range(3):
    gate = threading.Barrier(4)
    for number in range(4):
        shutil.copy(sys.argv[1], f"copy-{number}.db")
    threads = [threading.Thread(target=upgrade, args=(number, gate)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(failed)
