"""Open a store in a program that logs at INFO, and complete a chunk. Arguments: the store file."""

import logging
import sys

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")

from checkpoint_store import CheckpointStore  # noqa: E402 - what is logged by importing counts too

with CheckpointStore(sys.argv[1]) as store:
    job = store.latest_job() or store.open_job("talk.srt", total_chunks=2)
    job.progress()
