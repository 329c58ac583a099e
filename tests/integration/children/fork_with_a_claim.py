"""Fork while a chunk is claimed; parent and child each complete a chunk of their own."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db", state_file=None) as store:
    job = store.latest_job()
    loop = job.pending()
    chunk = next(loop)
    out, told = os.pipe()
    child = os.fork()
    if child == 0:
        del chunk, loop
        other = next(job.pending())
        os.write(told, f"{other.index} {len(job.running_chunks())}".encode())
        other.complete("child")
        store.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(status, os.read(out, 99).decode())
    with CheckpointStore("talks.db", state_file=None) as second:
        print(next(second.latest_job().pending()).index)
    chunk.complete("parent")
    print(job.result(0), job.result(1))
