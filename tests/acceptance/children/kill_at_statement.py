"""Complete two chunks at once, and die at the statement of this number.

The number of the statement is the argument.
"""

from __future__ import annotations

import os
import sys

from checkpoint_store import CheckpointStore

count = [int(sys.argv[1])]
store = CheckpointStore("talks.db", state_file=None)
job = store.open_job("f", total_chunks=4)
job.complete_many([(0, 0), (1, 1)])


def trace(_statement):
    count[0] -= 1
    if count[0] == 0:
        os.kill(os.getpid(), 9)


store._context.storage.database.writer.connection.set_trace_callback(trace)
job.complete_many([(2, 2), (3, 3)])
print("done")
store.close()
