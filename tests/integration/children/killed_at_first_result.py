"""Open a store that takes in unrecorded results, and be killed when the first one is recorded."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.context import StoreContext

record = StoreContext.record


def record_and_die(self, *given):
    record(self, *given)
    os.kill(os.getpid(), signal.SIGKILL)


StoreContext.record = record_and_die  # type: ignore[method-assign]
CheckpointStore("talks.db")
