"""Many processes open an old file at the same moment."""

from __future__ import annotations

import json
import os
import sys

from storms.forking import forked

from checkpoint_store import CheckpointStore

path, count = sys.argv[1], int(sys.argv[2])


def first_open(gate):
    os.read(gate, 1)
    with CheckpointStore(path, lock_timeout_seconds=120) as store:
        (job,) = store.jobs(file_name="lecture.srt")
        assert job.progress().completed_chunks == 3 and store.recovery is None


gate, opener = os.pipe()
children = [forked(first_open, gate) for _ in range(count)]
os.write(opener, b"x" * count)
print(json.dumps(sum(os.waitpid(child, 0)[1] != 0 for child in children)))
