"""Leave a loop in the middle whose calls are in a pool of processes, and close the store."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from integration.executors_work import leaves_a_mark

from checkpoint_store import CheckpointStore

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool, CheckpointStore("talks.db") as store:
        next(store.open_job("talk.srt", total_chunks=40).map(leaves_a_mark, executor=pool))
