"""Work on a job, ask for chunks to be done again, and die where that was arranged; say what was paid for and asked.

Killed in the work, a chunk is not paid for yet; killed after a result came, the result is recorded. So whatever is paid
for once too often is the library's doing.
"""

import json
import os
import random
import signal
import sys
import uuid

from checkpoint_store import CheckpointStore, ChunkInWork, ChunkNotCompleted

told = json.loads(sys.argv[1])
dice = random.Random(told["seed"])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note(name: str, index: int) -> None:
    with open(name, "a") as log:
        log.write(f"{index}\n")


store = CheckpointStore("talks.db", durability="process")
job = store.open_job("talk.srt", total_chunks=told["chunks"])
print("ready", flush=True)
sys.stdin.readline()
asks_left = told["asks"]


def ask() -> None:
    global asks_left
    index = dice.randrange(told["chunks"])
    try:
        made = job.redo(index)
    except (ChunkInWork, ChunkNotCompleted):
        return
    if made:
        asks_left -= 1
        note("asked.log", index)


if asks_left and job.progress().remaining_chunks == 0:
    ask()
for done, chunk in enumerate(job.pending(wait=told["waits"]), 1):
    if done == told["kill_after"] and told["in_work"]:
        die()
    note("paid.log", chunk.index)
    chunk.complete({"id": uuid.uuid4().hex, "cost": 0.25})
    if done == told["kill_after"]:
        die()
    if asks_left and dice.random() < 0.5:
        ask()
store.close()
