"""Processes of four threads each complete the same chunks, and are killed until the job is done."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from typing import Any

from storms.forking import ended, forked

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted
from checkpoint_store.storage.connection import pragmas

seed, kills_wanted, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[4]
durability: Any = sys.argv[3]
random.seed(seed)
pragmas.file_system = lambda path: "ext4" if mode == "wal" else "nfs"
TOTAL = int(sys.argv[5])


def work(job_id, number):
    log = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = CheckpointStore("talks.db", durability=durability)
    job = store.job(job_id)

    def run(thread):
        dice = random.Random(time.monotonic_ns() ^ os.getpid() << 8 ^ thread)
        left = list(range(TOTAL))
        dice.shuffle(left)
        for index in left:
            token = f"{os.getpid()}-{thread}-{dice.random()}"
            try:
                job.complete(index, {"token": token, "text": "x" * dice.randrange(3000)})
            except ChunkAlreadyCompleted:
                continue
            os.write(log, f"\n{job_id} {index} {token} .".encode())  # a kill may tear it between two pages of the file

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


def judge(job_id):
    with CheckpointStore("talks.db") as store:
        found = {index: result["token"] for index, result in store.job(job_id).items()}
        problems = store.check()
        store.job(job_id).export()
    with open("acknowledged") as log:
        told = [line.split() for line in log if line.rstrip().endswith(" .")]
    mine = [(int(index), token) for job, index, token, _ in told if job == job_id]
    lost = [pair for pair in mine if found.get(pair[0]) != pair[1]]
    return len(mine), len(lost), len(mine) - len({index for index, _ in mine}), len(problems)


kills = jobs = acknowledged = lost = duplicated = problems = 0
while kills < kills_wanted:
    with CheckpointStore("talks.db", durability=durability) as store:
        job_id = store.open_job("talk.srt", total_chunks=TOTAL, fresh=True).job_id
    jobs += 1
    open("acknowledged", "w").close()
    left, longest = TOTAL, 0.12
    while left:
        children = [forked(work, job_id, number) for number in range(2)]
        for child in children:
            time.sleep(random.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        kills += sum([ended(child) for child in children])
        before = left
        with CheckpointStore("talks.db", durability=durability) as store:
            left = store.job(job_id).progress().remaining_chunks
        if left == before:
            longest *= 1.5  # a slow disk
    counts = judge(job_id)
    acknowledged, lost = acknowledged + counts[0], lost + counts[1]
    duplicated, problems = duplicated + counts[2], problems + counts[3]
strays = [name for name in os.listdir(".") if ".tmp-" in name and ".backup-" not in name]
print(json.dumps([kills, jobs, acknowledged, lost, duplicated, problems, len(strays)]))
