"""Map a long job in threads, and print each chunk that ``on_event`` calls completed."""

from __future__ import annotations

from checkpoint_store import CheckpointStore


def show(event):
    if event.kind == "completed":
        print(event.index, flush=True)


store = CheckpointStore("talks.db")
job = store.open_job("long.srt", chunks=[str(number) for number in range(10_000)])
for _ in job.map(str.upper, workers=3, on_event=show):
    pass
