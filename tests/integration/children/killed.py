"""A run that is killed at a given moment of its third chunk."""

from __future__ import annotations

import os
import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db", durability="process", state_file=None)
job = store.open_job("talk.srt", total_chunks=1200)
when, at = sys.argv[1], int(sys.argv[2])
kept = []
for chunk in job.pending():
    kept = [*kept[-3:], chunk] if when == "holding" and chunk.index < at else []
    if chunk.index == at and when != "after":
        os.kill(os.getpid(), 9)
    if when == "hoarding":
        kept = [chunk, *job.pending()]
        os.kill(os.getpid(), 9)
    if when != "holding" or chunk.index < at - 4:
        chunk.complete(chunk.index)
    if chunk.index == at:
        os.kill(os.getpid(), 9)
