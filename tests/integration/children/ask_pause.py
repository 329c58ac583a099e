"""Pause or resume the newest job as soon as a line comes. argv: pause or resume."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

sys.stdin.readline()
with CheckpointStore("talks.db") as store:
    getattr(store.latest_job(), sys.argv[1])()
