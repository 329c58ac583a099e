"""Count up a file under a lock."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store.system.file_lock import file_lock

counter = Path(sys.argv[2])
for _ in range(25):
    with file_lock(Path(sys.argv[1]), 60):
        counter.write_text(str(int(counter.read_text()) + 1))
