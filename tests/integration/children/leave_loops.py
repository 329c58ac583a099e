"""Leave loops by ``break`` and by errors that are caught, the last one excepted."""

from __future__ import annotations

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store:
    for number in range(3):
        job = store.open_job(f"file{number}", chunks=["a", "b"])
        for chunk in job.pending():
            chunk.complete("x")
            break
        job = store.open_job(f"caught{number}", chunks=["a", "b"])
        try:
            for chunk in job.pending():
                raise ValueError(number)
        except ValueError:
            if number == 2:
                raise
