"""Hold the lock of a runner, and print its path, until a line comes."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store.storage.runner_lock import RunnerLock

lock = RunnerLock(Path("talks.db").absolute())
print(lock.path, flush=True)
sys.stdin.readline()
