"""Complete every third chunk of the current job with a manager, and print which are complete.

argv: the number of chunks, and which of three processes this is.
"""

from __future__ import annotations

import sys
import warnings

from checkpoint_store import StateManager, StoreRecovered

# Who opens the new store before another process has imported the state file is told that it took the job in.
warnings.simplefilter("ignore", StoreRecovered)
total, number = map(int, sys.argv[1:])
with StateManager("state.json") as manager:
    for index in range(number, total, 3):
        manager.update_chunk_complete(index, {"by": number, "index": index})
    print(manager.load().completed_chunks)
