"""Make what a trial of the sweep starts from, and end at once with a chunk in hand: the WAL and the runner are left.

A result is replaced there and back, so that the WAL has frames.

argv: the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from faults.operations import TOTAL, Operation
from faults.workload import INPUT, STORE, result_of

from checkpoint_store import CheckpointStore

folder = Path(sys.argv[1])
Operation.template(folder)
store = CheckpointStore(folder / STORE)
for version in (1, 0):
    job = store.open_job(INPUT, total_chunks=TOTAL)
    job.complete(0, result_of(0, version), replace=True)
loop = job.pending()
in_hand = next(loop)
os._exit(0)
