"""The batch example, killed at its n-th call of the store: before the call, or after it returned."""

import os
import runpy
import signal
import sys

from checkpoint_store import Job, PendingChunk

kill_at, before = int(sys.argv[1]), sys.argv[2] == "before"
calls = 0


def watched(method):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == kill_at and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(*args, **kwargs)
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


of_job, of_chunk = ("record_handle", "complete", "fail_chunk"), ("record_handle", "complete", "fail")
for kind, name in (*((Job, name) for name in of_job), *((PendingChunk, name) for name in of_chunk)):
    setattr(kind, name, watched(getattr(kind, name)))
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
