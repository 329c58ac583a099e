"""Work on a part of the talk, slowly enough to be killed: argv are the store, the first chunk and the one behind the last."""

from __future__ import annotations

import sys
import time

from integration.shard_tools import CHUNKS, NAME, clean

from checkpoint_store import CheckpointStore


def slowly(text: str) -> object:
    """Return the result of a chunk, and say that it was paid for."""
    print(text, flush=True)
    time.sleep(0.02)
    return clean(text)


path, first, last = sys.argv[1:]
with CheckpointStore(path) as store:
    store.map(slowly, CHUNKS, file_name=NAME, only=range(int(first), int(last)))
