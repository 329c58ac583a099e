"""Delete a job while the store file cannot grow, although the WAL can."""

from __future__ import annotations

import resource
import sys

from checkpoint_store import CheckpointStore, ErasureUnfinished, StorageFullError

with CheckpointStore(sys.argv[1], state_file=None) as store:
    store.open_job("large.srt", total_chunks=1).complete(0, "x" * 900_000)
with CheckpointStore(sys.argv[1], state_file=None, lock_timeout_seconds=3600.0) as store:
    job = store.open_job("talk.srt", total_chunks=1)
    job.complete(0, "y" * 300_000)
    limit = store.path.stat().st_size + 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        store.delete_job(job.job_id)
    except ErasureUnfinished as error:
        assert isinstance(error.__cause__, StorageFullError), error
        assert error.waited_seconds < 3600.0, error
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
