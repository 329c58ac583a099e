"""Prune, and be killed between the transaction and the removal of files."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.store import maintenance

maintenance.remove_files = lambda paths: os.kill(os.getpid(), signal.SIGKILL)
with CheckpointStore("talks.db") as store:
    store.prune(keep_last=1, dry_run=False)
