"""Make every file of a store under this umask."""

from __future__ import annotations

import os
import stat
import sys

from checkpoint_store import CheckpointStore

os.umask(int(sys.argv[1], 8))

modes = {}


def look(*_):
    for name in os.listdir("."):
        modes.setdefault(name.partition(".tmp-")[0], set()).add(oct(stat.S_IMODE(os.lstat(name).st_mode)))


original = os.replace
os.replace = lambda *a, **k: (look(), original(*a, **k), look())[1]
with CheckpointStore("talks.db") as store, store.open_job("f", total_chunks=2) as job:
    look()
    job.complete(0, 1)
    job.complete(1, 1)
    look()
    store.backup("copy.db")
    job.export("export.json")
    look()
look()
print({name: sorted(found) for name, found in sorted(modes.items()) if found != {"0o600"}})
print(sorted(modes))
