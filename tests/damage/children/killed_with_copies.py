"""Be killed while a merge makes a copy, or a job's end an automatic backup. argv: the store, another store, and which."""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import backup
from checkpoint_store.storage.merging import other_store


def be_killed(*arguments: object) -> None:
    """Stand in for the last step of the copy."""
    os.kill(os.getpid(), signal.SIGKILL)


backup.verify = be_killed  # type: ignore[assignment]  # in this process alone
other_store.open_copy = be_killed  # type: ignore[assignment]  # it never returns
with CheckpointStore(sys.argv[1]) as store:
    if sys.argv[3] == "merge":
        store.merge(sys.argv[2])
    else:
        store.job("talk.srt").pause()
