"""A processor with four threads that says which chunks it began, and which were acknowledged."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from hashlib import sha256

from checkpoint_store import CheckpointStore

run, total = sys.argv[1], int(sys.argv[2])


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def result_for(index):
    # Another run would give another result: a chunk that is done twice is noticed.
    (size,) = random.choices([10, 200, 3000, 60000], [10, 10, 10, 1])
    time.sleep(random.uniform(0, float(sys.argv[3])))
    return {"chunk_index": index, "run": run, "text": random.choice("abcdefgh") * size}


with (
    CheckpointStore("talks.db") as store,
    store.open_job("lecture.srt", chunks=[f"chunk {index}" for index in range(total)], config={"a": 1}) as job,
):
    pending, lock = job.pending(), threading.Lock()

    def work():
        while True:
            with lock:
                chunk = next(pending, None)
            if chunk is None:
                return
            assert chunk.data == f"chunk {chunk.index}"
            result = result_for(chunk.index)
            say("begun", chunk.index)
            chunk.complete(result)
            say("done", chunk.index, sha256(json.dumps(result).encode()).hexdigest())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
say("finished")
