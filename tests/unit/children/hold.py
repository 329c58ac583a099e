"""Hold a lock until a line comes."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store.system.file_lock import file_lock

with file_lock(Path(sys.argv[1]), 20):
    print("held", flush=True)
    sys.stdin.read()
