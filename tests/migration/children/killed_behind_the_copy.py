"""Open a store of an older schema, and be killed when the copy that an upgrade makes first is whole. argv: the store."""

from __future__ import annotations

import os
import signal
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.upgrade import migrate


def be_killed(*arguments: object) -> None:
    """Stand in for the upgrade itself."""
    os.kill(os.getpid(), signal.SIGKILL)


migrate._checked = be_killed  # type: ignore[assignment]  # in this process alone
CheckpointStore(sys.argv[1])
