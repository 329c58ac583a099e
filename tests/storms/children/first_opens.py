"""Many processes create the same store at the same moment."""

from __future__ import annotations

import json
import os
import sys

from storms.forking import ended, forked

from checkpoint_store import CheckpointStore

count, rounds = int(sys.argv[1]), int(sys.argv[2])


def work(number, gate, name):
    os.read(gate, 1)
    with CheckpointStore(name, lock_timeout_seconds=120) as store:
        store.open_job("talk.srt", total_chunks=count).complete(number, number)


problems = []
for number_of_round in range(rounds):
    gate, go = os.pipe()
    children = [forked(work, number, gate, f"talks{number_of_round}.db") for number in range(count)]
    os.write(go, b"x" * count)
    for child in children:
        ended(child)
    os.close(gate)
    os.close(go)
    with CheckpointStore(f"talks{number_of_round}.db") as store:
        jobs = store.jobs()
        if len(jobs) != 1 or list(jobs[0].results()) != list(range(count)) or store.check():
            problems.append(number_of_round)
print(json.dumps([count * rounds, len(problems)]))
