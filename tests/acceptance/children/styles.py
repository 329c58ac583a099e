"""A processor in each of the styles that users write, and with each of the mistakes that they make."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from checkpoint_store import CheckpointStore, ProcessingState, StateManager

style = sys.argv[1]
CHUNKS = ["we choose", "to go", "to the moon", "to go", "and do the other things"]


def ask(text):
    raise AssertionError("this would cost money")


async def ask_later(text):
    raise AssertionError("this would cost money")


def by_hand():
    with StateManager("state.json") as manager:
        state = manager.load()
        if state is None:
            manager.save(ProcessingState(file_name="talk.txt", total_chunks=len(CHUNKS), status="running"))
            state = manager.load()
        for index in sorted(set(range(len(CHUNKS))) - set(state.completed_chunks)):
            manager.update_chunk_complete(index, ask(CHUNKS[index]))
        return manager.load().processed_results


def with_a_store():
    model = f"made-{os.getpid()}" if style == "another model each time" else "small-1"
    with CheckpointStore("talk.db") as store:
        job = store.open_job("talk.txt", chunks=CHUNKS, model=model, on_change="restart")
        match style:
            case "map":
                list(job.map(ask, workers=4))
            case "amap":
                asyncio.run(in_an_event_loop(job))
            case "asks for all":
                for index, text in enumerate(CHUNKS):
                    job.complete(index, ask(text), replace=True)
            case "passes over":
                begun = Path("begun")
                seen = begun.read_text().split(",") if begun.exists() else []
                for chunk in job.pending():
                    begun.write_text(",".join([*seen, str(chunk.index)]))
                    chunk.complete(ask(chunk.data) if str(chunk.index) not in seen else None)
            case _:
                for chunk in job.pending():
                    chunk.complete(ask(chunk.data))
        return list(job.results())


async def in_an_event_loop(job):
    async for _ in job.amap(ask_later, workers=3):
        pass


results = by_hand() if style == "state manager" else with_a_store()
with open("talk.out", "w") as file:
    file.write(" ".join(str(result) for result in results))
