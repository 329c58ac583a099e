"""Complete a chunk in a finalizer, while the interpreter ends."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore


class Late:
    def __init__(self):
        self.store = CheckpointStore("talks.db")
        self.job = self.store.open_job("f", chunks=["a", "b"])

    def __del__(self):
        self.job.complete(0, "late")
        self.store.close()


late = Late()
late.me = late
sys.modules["kept"] = late  # type: ignore[assignment]
print("end")
