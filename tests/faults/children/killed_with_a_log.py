"""Make what a trial of the sweep starts from, replace a result there and back, and end at once: the WAL is left.

argv: the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from faults.sweep import TOTAL, Operation
from faults.workload import INPUT, STORE, result_of

from checkpoint_store import CheckpointStore

folder = Path(sys.argv[1])
Operation.template(folder)
store = CheckpointStore(folder / STORE)
for version in (1, 0):
    store.open_job(INPUT, total_chunks=TOTAL).complete(0, result_of(0, version), replace=True)
os._exit(0)
