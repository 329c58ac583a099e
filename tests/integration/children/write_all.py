"""Every thread of every process completes every chunk, each in an order of its own."""

from __future__ import annotations

import sys
import threading

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db", durability="process")
job = store.open_job("f", total_chunks=300)
failed = []


def work(thread):
    try:
        for index in range(300):
            # Every thread of every process completes every chunk, each in an order of its own.
            job.complete(
                (index * 7 + thread * 61 + int(sys.argv[-1]) * 97) % 300,
                {"n": (index * 7 + thread * 61 + int(sys.argv[-1]) * 97) % 300},
            )
    except BaseException as error:
        failed.append(repr(error))


threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
store.close()
print(failed)
