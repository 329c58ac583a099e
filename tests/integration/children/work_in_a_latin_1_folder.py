"""Keep a store in a folder whose name is no UTF-8, and print what its methods say.

A process of its own: a report of pytest-xdist cannot hold such a name.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from checkpoint_store import CheckpointStore, JobBusy, JobNotFound, report, restore_store

path = Path(os.fsdecode(b"caf\xe9")) / "talk.db"
try:
    path.parent.mkdir()
except OSError:
    sys.exit("this file system takes UTF-8 names alone")
with CheckpointStore(path) as store, CheckpointStore(path) as other:
    chunk = next(store.open_job("a.srt", chunks=["a", "b"]).pending())
    with contextlib.suppress(JobBusy):
        other.open_job("a.srt", chunks=["a", "b"], exclusive=True)
        print("two runners")
    chunk.complete("A")
    with contextlib.suppress(JobNotFound):
        print(other.job("0" * 36))
    print(other.check())
    backup = other.backup(path.with_name("copy.db"))
    print("caf\\xe9/talk.db" in report.write(other, path.with_name("report.html")).read_text("utf-8"))
restore_store(backup, path)
with CheckpointStore(path, read_only=True) as store:
    print(list(store.job("a.srt").items()))
