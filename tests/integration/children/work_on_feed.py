"""Work on the three chunks of a feed that grows meanwhile; print each, and go on with a line. argv: by index, or by text."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore


def work(text):
    print(text, flush=True)
    sys.stdin.readline()
    return text


with CheckpointStore("talks.db") as store:
    if sys.argv[1] == "by text":
        print(store.map(work, ["one", "two", "three"], file_name="feed"))
    else:
        for chunk in store.open_job("feed", total_chunks=3).pending():
            chunk.complete(work(chunk.index))
