"""Work on ``talks.db`` here: claim chunks, complete each, and say so; on a full disk, say that and wait."""

import sys

from checkpoint_store import CheckpointStore, StorageFullError

total, pause_at, size = map(int, sys.argv[1:4])


def say_full() -> None:
    print("full", flush=True)
    sys.stdin.readline()


def work() -> None:
    global pause_at
    with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
        job = store.open_job("talk.srt", total_chunks=total)
        for chunk in job.pending():
            if chunk.index == pause_at:
                pause_at = -1
                print("pause", flush=True)
                sys.stdin.readline()
            while True:
                try:
                    chunk.complete({"index": chunk.index, "text": "x" * size})
                    break
                except StorageFullError:
                    say_full()
            print(chunk.index, flush=True)


while True:
    try:
        work()
        break
    except StorageFullError:
        say_full()
