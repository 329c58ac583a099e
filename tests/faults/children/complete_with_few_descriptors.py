"""Complete chunks while few descriptors are free; print as JSON which completions failed, and which are recorded."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from checkpoint_store import CheckpointStore

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=60)
    job.complete(0, {"text": "x" * 200_000})
    list(job.items())
    failed = []
    for index in range(1, 41):
        context: Any = store._context
        context.state_file._pace.is_due = lambda *_: True
        context.storage.backups.due_at, context.storage.backups._made_at = 0.0, -1e9
        context.storage.backups._credit = 1.0
        fillers = []
        free = index % 12
        used = len(os.listdir("/proc/self/fd")) - 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, hard))
        while True:
            try:
                fillers.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        for _ in range(free):
            os.close(fillers.pop())
        try:
            job.complete(index, {"text": "x" * 200_000})
        except BaseException as error:
            failed.append((index, free, repr(error)))
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    recorded = [index for index in range(60) if job.is_completed(index)]
print(json.dumps([failed, recorded]))
