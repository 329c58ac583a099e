"""Open new stores in eight threads at once."""

from __future__ import annotations

import threading

from checkpoint_store import CheckpointStore

go, failed = threading.Barrier(8), []


def work(number):
    try:
        go.wait()
        for name in ("same.db", f"own-{number}.db"):
            with CheckpointStore(name) as store:
                store.open_job("f", total_chunks=8).complete(number, "x")
    except BaseException as error:
        failed.append(repr(error))


threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
with CheckpointStore("same.db") as store:
    print(store.latest_job().progress().completed_chunks, len(store.jobs()))
