"""Work under a limit of the size of files."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from faults.workload import INPUT, STORE, result_of

from checkpoint_store import CheckpointStore, StorageFullError

folder, limit = Path(sys.argv[1]), 400_000
acknowledged = set()
with CheckpointStore(folder / STORE) as store:
    job = store.open_job(INPUT, total_chunks=2000)
    job.export()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for times in range(3):
        try:
            for index in range(2000):
                job.complete(index, result_of(index))
                acknowledged.add(index)
            sys.exit("the limit was not felt")
        except StorageFullError as error:
            assert error.path.startswith(str(folder)) and error.free_bytes is not None, error
            assert "raise that limit (ulimit -f)" in error.reason, error
        assert dict(job.items()).keys() >= acknowledged
        before = len(acknowledged)
        limit += 400_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        missing = min(set(range(2000)) - acknowledged)
        job.complete(missing, result_of(missing))
        acknowledged.add(missing)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with CheckpointStore(folder / STORE, state_file=None) as store:
    found = dict(store.jobs()[0].items())
    assert found.keys() >= acknowledged and all(found[i] == result_of(i) for i in found)
    assert store.check() == []
print(len(acknowledged))
