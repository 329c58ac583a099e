"""Raise an error in the body of a loop over a job's chunks.

argv: the loop (pending, map, named), and where the error goes (with, never closed, translated).
"""

from __future__ import annotations

import sys
import warnings

from checkpoint_store import CheckpointStore

loop, ends = sys.argv[1:]


def call(chunk):
    raise ValueError("the answer cannot be read")


def use(store):
    job = store.open_job("talk.srt", chunks=["a", "b", "c"])
    if loop == "named":
        kept = job.map(str.upper, workers=2)
        for chunk in kept:
            call(chunk)
    for chunk in job.pending() if loop == "pending" else job.map(str.upper):
        call(chunk)


if ends == "with":
    with CheckpointStore("talks.db") as store:
        use(store)
elif ends == "never closed":
    warnings.simplefilter("ignore")
    store = CheckpointStore("talks.db")
    use(store)
else:
    with CheckpointStore("talks.db") as store:
        try:
            use(store)
        except ValueError as error:
            raise RuntimeError("stopped") from error
