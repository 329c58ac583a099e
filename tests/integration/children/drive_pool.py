"""Work through a job with a pool of processes, and print how it ended, in JSON.

argv: the start method, how many processes, the function of ``executors_work``, the chunks, options of ``map`` in JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from integration import executors_work

from checkpoint_store import CheckpointStore


def ending(job):
    return {
        "status": job.status.value,
        "results": list(job.items()),
        "failed": [(one.chunk_index, one.error) for one in job.failed_chunks()],
        "in_doubt": [one.chunk_index for one in job.in_doubt_chunks()],
        "running": [one.chunk_index for one in job.running_chunks()],
    }


if __name__ == "__main__":
    method, count, function, letters, options = sys.argv[1:]
    work = getattr(executors_work, function)
    with CheckpointStore("talks.db") as store, ProcessPoolExecutor(int(count), mp_context=get_context(method)) as pool:
        job = store.open_job("f", chunks=list(letters))
        try:
            list(job.map(work, executor=pool, **json.loads(options)))
        finally:
            print(json.dumps(ending(job)), flush=True)
