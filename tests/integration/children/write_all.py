"""Every thread of every process completes every chunk, each in an order of its own."""

from __future__ import annotations

import sys
import threading

from checkpoint_store import CheckpointStore

TOTAL = 100
store = CheckpointStore("talks.db", durability="process")
job = store.open_job("f", total_chunks=TOTAL)
failed = []


def work(thread):
    try:
        for index in range(TOTAL):
            # Every thread of every process completes every chunk, each in an order of its own.
            chosen = (index * 7 + thread * 61 + int(sys.argv[-1]) * 97) % TOTAL
            job.complete(chosen, {"n": chosen})
    except BaseException as error:
        failed.append(repr(error))


threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
store.close()
print(failed)
