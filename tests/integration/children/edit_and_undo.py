"""Work off an edited plan, then open the plan from before the edit."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store import CheckpointStore

path, *chunks = sys.argv[1:]
with CheckpointStore(Path(path)) as store:
    store.map(str.upper, [*chunks, "another"], file_name="talk.txt", on_change="reuse")
    store.open_job("talk.txt", chunks=chunks, on_change="reuse")
