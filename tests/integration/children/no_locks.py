"""Print what is told of a busy file, and of a store that is opened, where the file system locks no file."""

from __future__ import annotations

import errno
import fcntl
import sqlite3
import sys
from pathlib import Path

from checkpoint_store import CheckpointStore, StorageUnavailableError
from checkpoint_store.storage.connection import errors


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


fcntl.lockf = fcntl.flock = no_locks
busy = sqlite3.OperationalError("database is locked")
busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
print(errors.translate(busy, Path(sys.argv[1]), 0.0))
try:
    CheckpointStore(sys.argv[1])
except StorageUnavailableError as error:
    print(error)
