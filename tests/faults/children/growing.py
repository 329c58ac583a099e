"""A job with a large state file, exported after each chunk; each export is acknowledged."""

import os
import sys
from pathlib import Path

from faults.workload import ACKS

from checkpoint_store import CheckpointStore

folder, total = Path(sys.argv[1]), int(sys.argv[2])
acks = os.open(folder / ACKS, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
with CheckpointStore(folder / "talk.db") as store:
    job = store.open_job("talk.srt", total_chunks=total + 1)
    done = job.progress().completed_chunks
    for index in range(done, total):
        job.complete(index, {"index": index, "text": f"{index} " * 2500})
        job.export()
        os.write(acks, f"{index}\n".encode())
