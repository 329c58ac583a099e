"""Fork in the work of a loop, and terminate each child at once."""

from __future__ import annotations

import os
import signal
import time
import warnings

from checkpoint_store import CheckpointStore


def stay(_):
    for _ in range(20):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(1)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
    return "ended"


warnings.simplefilter("ignore", DeprecationWarning)  # the loop's own threads sleep
with CheckpointStore("talks.db") as store:
    print(store.map(stay, ["a"], file_name="f"))
