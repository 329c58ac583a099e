"""Delete a large job of a store that another process has open, and record many chunks of a small job."""

import sys

from checkpoint_store import CheckpointStore

with CheckpointStore(sys.argv[1]) as store:
    store.delete_job(store.job("large.txt").job_id)
    job = store.open_job("small.txt", total_chunks=1500)
    job.complete_many((index, "x" * 500) for index in range(1500))
