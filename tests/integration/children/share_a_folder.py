"""Map a job's chunks in a folder that has two names; print which were done. argv: the name, by this process's number."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

folder = ("one", "two")[int(sys.argv[1])]
with CheckpointStore(f"{folder}/talks.db") as store:
    print(*(item.index for item in store.open_job("talk.srt", total_chunks=40).map(str)))
