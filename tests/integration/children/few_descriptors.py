"""Work with few descriptors; print as JSON what is recorded."""

from __future__ import annotations

import json
import resource
import sys

from checkpoint_store import CheckpointStore, CheckpointStoreError

recorded = []
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), 1024))
try:
    with CheckpointStore(sys.argv[1]) as store:
        for chunk in store.open_job("talk.srt", total_chunks=3).pending():
            chunk.complete({"n": chunk.index})
            recorded.append(chunk.index)
except CheckpointStoreError as error:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    print(error, file=sys.stderr)
print(json.dumps(recorded))
