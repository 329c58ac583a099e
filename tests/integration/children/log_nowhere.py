"""Complete chunks in a program that configures no logging, while the state file cannot be written.

Arguments: the store file, the folder of the state file.
"""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from checkpoint_store import CheckpointStore, CheckpointStoreError

folder = Path(sys.argv[2])
folder.mkdir()
with suppress(CheckpointStoreError), CheckpointStore(sys.argv[1], state_file=folder / "state.json") as store:
    job = store.open_job("talk.srt", total_chunks=2)
    shutil.rmtree(folder)
    job.complete(0, "done")
