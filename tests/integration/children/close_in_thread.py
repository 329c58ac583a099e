"""Close a loop in another thread, and press Ctrl-C afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store:
    loop = store.open_job("f", chunks=list("abc")).map(str.upper)
    next(loop)
    thread = threading.Thread(target=loop.close)
    thread.start()
    thread.join()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
