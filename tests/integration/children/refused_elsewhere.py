"""Open a store that is in use, and write the error to stdout, pickled. argv: the store."""

from __future__ import annotations

import pickle
import sys

from checkpoint_store import CheckpointStore, CheckpointStoreError

try:
    CheckpointStore(sys.argv[1], lock_timeout_seconds=0.05)
except CheckpointStoreError as error:
    sys.stdout.buffer.write(pickle.dumps(error))
