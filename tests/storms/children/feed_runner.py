"""Work on a feed that grows, as a program does that is started again and again: one of several at the same time.

Each paid call is one line of ``paid.log``: the number of the process, and the texts up to the one that is paid for. The
first lines of what was opened are read, and the job is opened, under one lock, so that no process has an old view.
"""

import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkpoint_store import CheckpointStore, Job, PlanChanged, current_attempt

NUMBER, KILL_AT, APPENDS, SEQUENTIAL, EXTENDS = (int(word) for word in sys.argv[1:])
FEED, LOG = Path("feed.json"), Path("paid.log")
calls = 0
given: list[str] = []


@contextmanager
def locked() -> Iterator[None]:
    with Path("feed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def work(text: str) -> dict[str, Any]:
    global calls
    attempt = current_attempt()
    with LOG.open("a") as log:
        log.write(json.dumps([NUMBER, given[: attempt.chunk_index], text]) + "\n")
    calls += 1
    if calls == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"text": text, "after": attempt.previous and attempt.previous["text"]}


def open_feed(store: CheckpointStore) -> Job:
    texts = json.loads(FEED.read_text())
    plan: dict[str, Any] = {"chunks": {text.upper(): text for text in texts}, "sequential": bool(SEQUENTIAL)}
    try:
        job = store.open_job("feed", on_change="extend" if EXTENDS else "restart", **plan)
    except PlanChanged:  # an edit
        job = store.open_job("feed", on_change="reuse", **plan)
    given[:] = texts
    return job


def append(store: CheckpointStore, count: int) -> None:
    with locked():
        FEED.write_text(json.dumps([*json.loads(FEED.read_text()), f"{NUMBER} said {os.getpid()} {count}"]))
        open_feed(store)


def main() -> None:
    appended = 0
    with CheckpointStore("talks.db") as store:
        while True:
            with locked():
                job = open_feed(store)
            for item in job.map(work, on_pause="return", max_attempts=99):
                assert job.key_of(item.index) == item.key == given[item.index].upper()
                if appended < APPENDS:
                    appended += 1
                    append(store, appended)
            if json.loads(FEED.read_text()) == given and not job.remaining():
                break


main()
