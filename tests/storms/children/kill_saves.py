"""Save states, and be killed at any moment, in forks; print as JSON what was torn, lost, wrong, missing or left.

argv: how many kills, and the number of chunks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from storms.forking import ended, forked, import_early

from checkpoint_store import CheckpointStore, ProcessingState, StateFormatError, StateManager

import_early()

kills_wanted, total = int(sys.argv[1]), int(sys.argv[2])
random.seed(3)


def result(index):
    return {"chunk_index": index + 1, "text": f"{index} " * 400}


def work():
    os.umask(0)
    log = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    manager = StateManager("state.json")
    while True:
        state = manager.load()
        assert state is not None
        index = state.next_chunk_index
        if index == total:
            os.truncate("acknowledged", 0)
            manager.clear()
            manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
            continue
        manager.save(
            state.replace(
                completed_chunks=[*state.completed_chunks, index],
                processed_results=[*state.processed_results, result(index)],
            )
        )
        os.write(log, f"{index}\n".encode())


def sound(state):
    return state.completed_chunks == list(range(len(state.completed_chunks))) and state.results() == {
        index: result(index) for index in state.completed_chunks
    }


with StateManager("state.json") as manager:
    manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
kills = torn = lost = wrong = missing = 0
modes = set()
while kills < kills_wanted:
    child = forked(work)
    time.sleep(random.uniform(0.0, 0.3))
    os.kill(child, signal.SIGKILL)
    kills += ended(child)
    whole = 0
    for name in ("state.json", "state.bak"):
        try:
            with open(name) as file:
                whole += sound(ProcessingState.from_json(file.read()))
        except FileNotFoundError:
            pass
        except StateFormatError:
            torn += 1
    cleared = os.path.getsize("acknowledged") == 0 if os.path.exists("acknowledged") else True
    missing += whole == 0 and not cleared
    modes |= {os.stat(name).st_mode & 0o777 for name in os.listdir(".") if name.startswith("state")}
    told = list(map(int, Path("acknowledged").read_text().split())) if os.path.exists("acknowledged") else []
    with StateManager("state.json") as manager:
        state = manager.load()
        if state is None:
            manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
            continue
        lost += len(set(told) - set(state.completed_chunks))
        wrong += not sound(state)
        manager.save(state)
        with open("state.json") as file:
            wrong += ProcessingState.from_json(file.read()) != manager.load()
left = len([name for name in os.listdir(".") if ".tmp-" in name])
with CheckpointStore("state.db") as store:
    wrong += len(store.check())
print(json.dumps([kills, torn, lost, wrong, missing, left, sorted(modes)]))
