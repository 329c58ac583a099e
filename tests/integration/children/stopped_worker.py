"""Be a worker of a pool that gets signals one after the other; print whether it is alive."""

from __future__ import annotations

import os
import signal
import sys
import time

from checkpoint_store.loop import signals
from checkpoint_store.loop.executors import processes

signal.signal(signal.SIGINT, signal.default_int_handler)
signals.heed_second_interrupt_only()
processes.leave_first_to_parent()
for name in sys.argv[1:]:
    try:
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(0.15)
    except KeyboardInterrupt:
        pass  # as a pool, whose worker goes on with the next call
print("alive")
