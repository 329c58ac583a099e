"""Tell a book, each page with the page before it; say what was paid for, and die where that was arranged.

Killed in the work, a page is not paid for yet; killed after a result came, the result is recorded. So whatever is paid
for twice is the library's doing.
"""

import hashlib
import json
import os
import signal
import sys
import uuid

from checkpoint_store import CheckpointStore, current_attempt

told = json.loads(sys.argv[1])
pages, kill_after, in_work = told["pages"], told["kill_after"], told["in_work"]
calls = 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


store = CheckpointStore("book.db", durability="process")
job = store.open_job("book.txt", chunks=pages, sequential=told["sequential"], on_change="reuse")


def before(index):
    if told["sequential"]:
        return current_attempt().previous
    return job.result(index - 1) if index and job.is_completed(index - 1) else None


def tell(page):
    global calls
    calls += 1
    if calls == kill_after and in_work:
        die()
    index = current_attempt().chunk_index
    previous = before(index)
    beginning = hashlib.sha256(json.dumps(pages[: index + 1]).encode()).hexdigest()
    with open("paid.log", "a") as log:
        log.write(f"{beginning}\n")
    return {"id": uuid.uuid4().hex, "page": page, "from": previous and previous["id"]}


print("ready", flush=True)
sys.stdin.readline()
for results, _ in enumerate(job.map(tell, workers=told["workers"]), 1):
    if results == kill_after and not in_work:
        die()
store.close()
