"""Open a store with the version to come, which upgrades it, and print how far a job is, and the schema.

argv: the migration scripts of that version, the store, and the number of this process where there are several.
"""

from __future__ import annotations

import sys
from pathlib import Path

from migration import future

from checkpoint_store import CheckpointStore

future.install(Path(sys.argv[1]))
with CheckpointStore(sys.argv[2]) as store:
    (job,) = store.jobs(file_name="lecture.srt")
    print(job.progress().completed_chunks, store.info()["schema_version"])
