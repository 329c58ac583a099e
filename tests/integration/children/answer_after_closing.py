"""A call answers, or fails, after its store was closed: what came waits in a file when this program ends."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from checkpoint_store import CheckpointStore

path, fails = Path(sys.argv[1]), sys.argv[2:] == ["fails"]
may_answer = threading.Event()


def ask(_: int) -> dict[str, Any]:
    assert may_answer.wait(60)
    if fails:
        error = ValueError("no")
        error.cost = 0.5
        raise error
    return {"text": "late", "cost": 0.5}


with CheckpointStore(path) as store, suppress(TimeoutError):
    list(store.job("talk.srt").map(ask, timeout_seconds=0.05, retry_on=(), only=[0]))
may_answer.set()
while all(".tmp" in file.name for file in path.parent.glob("*.unrecorded-*")):  # a file that is not whole yet
    time.sleep(0.02)
