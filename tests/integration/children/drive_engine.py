"""Let an engine work through a job.

argv: the folder of the tests, the engine, the folder for calls, the address of a Dask cluster.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.argv[1])
import integration.engines_work as work

from checkpoint_store import CheckpointStore, executors

if __name__ == "__main__":
    kind, folder, where = sys.argv[2:5]
    if kind == "dask":
        from distributed import Client

        executor = executors.dask(Client(where))
    else:
        work.start_ray()
        executor = executors.ray()
    with CheckpointStore("talks.db") as store:
        job = store.open_job("f", chunks=[[folder, letter] for letter in "abcdefghij"])
        print("begins", flush=True)
        print(len(list(job.map(work.slow_until_go, executor=executor))), flush=True)
