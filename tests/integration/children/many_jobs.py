"""Work through 120 jobs in one way, with few descriptors; print how many descriptors, locks and runners are left."""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

from checkpoint_store import CheckpointStore

resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
chunk: Any = None
exclusive, fds = sys.argv[1] == "exclusive", []
with CheckpointStore("talks.db", durability="process", state_file=None) as store:
    for number in range(120):
        job = store.open_job(f"input {number}", chunks=["we choose", "to go"], exclusive=exclusive)
        if sys.argv[1] == "fail":
            job.fail_chunk(0, "no")
        elif sys.argv[1] == "map":
            assert len(list(job.map(str.upper))) == 2
        elif sys.argv[1] == "by number":
            job.complete_many([(0, "a"), (1, "b")])
        elif sys.argv[1] == "break":
            for chunk in job.pending():
                break
        else:
            for chunk in job.pending():
                chunk.complete(chunk.data.upper())
        fds.append(len(os.listdir("/proc/self/fd")))
    print(fds[-1] - fds[1], len([name for name in os.listdir() if ".runner-" in name]), len(store._context.claims))
    chunk = None
