"""Open a store that may need an upgrade or a recovery, print a result, and stay until a line comes.

argv: what becomes of warnings (error, ignore), and the number of this process.
"""

from __future__ import annotations

import sys
import warnings

from checkpoint_store import CheckpointStore

warnings.simplefilter(sys.argv[1])  # type: ignore[arg-type]
with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
    print(store.jobs()[0].result(0), flush=True)
    sys.stdin.readline()
