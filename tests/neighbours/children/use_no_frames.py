"""Map chunks without a frame, and print which libraries for frames were imported all the same, in JSON."""

from __future__ import annotations

import json
import sys

from checkpoint_store import CheckpointStore, frames

with CheckpointStore("talks.db") as store:
    store.map(str.upper, ["a"], file_name="t")
    assert callable(frames.map_rows)
print(json.dumps([name for name in ("pandas", "polars", "numpy") if name in sys.modules]))
