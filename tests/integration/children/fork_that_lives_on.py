"""Fork with an open store; print who keeps a recovery from it, step by step."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore, StoreInUse, recover_store

store = CheckpointStore("talks.db")
go, wait = os.pipe(), os.pipe()


def refused():
    try:
        recover_store("talks.db", lock_timeout_seconds=0)
    except StoreInUse as error:
        return error.holders


child = os.fork()
if not child:
    os.write(go[1], b"x")
    os.read(wait[0], 1)
    store.latest_job().complete(1, "in the child")
    os.write(go[1], b"x")
    os.read(wait[0], 1)
    os._exit(0)
os.read(go[0], 1)
print(refused() == (os.getpid(),))
store.close()
print(refused())
os.write(wait[1], b"x")
os.read(go[0], 1)
print(refused() == (child,))
os.write(wait[1], b"x")
os.waitpid(child, 0)
print(refused())
