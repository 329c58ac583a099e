"""Close a store and a manager in a ``__del__`` that runs when the interpreter takes the modules apart.

argv: what was under way (completed, in hand, in flight), and what the finalizer does first (nothing, records).
"""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore, ProcessingState, StateManager

before, in_finalizer = sys.argv[1:]


class Processor:
    def __init__(self):
        self.store = CheckpointStore("talks.db")
        self.job = self.store.open_job("talk.srt", chunks=list("abcdefgh"))
        self.manager = StateManager("other.json")
        self.manager.save(ProcessingState(job_id="x", file_name="f", total_chunks=2))
        self.records = in_finalizer == "records"
        self.itself = self  # a cycle: it lives until the modules are taken apart

    def __del__(self):
        if self.records:
            self.job.complete(3, "last")
            self.job.pause()
            self.manager.set_status("paused")
        self.store.close()
        self.manager.close()


processor = Processor()
if before == "completed":
    processor.job.complete(0, "x" * 300_000)
    processor.job.complete(1, "y" * 300_000)
elif before == "in hand":
    processor.chunk = next(processor.job.pending())
else:
    processor.items = processor.job.map(str.upper, workers=2)
    next(processor.items)
