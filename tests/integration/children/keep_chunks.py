"""Keep the chunks of a loop that has ended, and run another loop in the only thread of this process."""

from __future__ import annotations

from checkpoint_store import CheckpointStore, JobPaused

with CheckpointStore("talks.db") as one, CheckpointStore("talks.db") as two:
    kept = list(one.open_job("talk.srt", total_chunks=2).pending())
    try:
        list(two.job("talk.srt").map(str))
    except JobPaused as paused:
        print(paused)
    for chunk in kept:
        chunk.complete("by hand")
    print(two.job("talk.srt").state().status)
