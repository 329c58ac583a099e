"""Undo migrations of a store, the argument, with and without what would be lost."""

from __future__ import annotations

import contextlib
import sqlite3
import sys

from checkpoint_store import CheckpointStore, MigrationFailed, StoreInUse, migrate, migration_status

path = sys.argv[1]


def refused(words):
    try:
        migrate(path, to="1.0", lock_timeout_seconds=0.1)
    except (MigrationFailed, StoreInUse) as error:
        assert words in str(error) and "as it was" in str(error), str(error)
    else:
        raise AssertionError("not refused")
    assert migration_status(path).current == "1.5"


with CheckpointStore(path, state_file=None) as store:
    refused("this process has it open; close it first")
    for chunk in store.latest_job().pending():
        chunk.fail("not now")
        break
refused("1 is recorded; it would be lost")
with contextlib.closing(sqlite3.connect(path)) as raw:
    raw.execute("DELETE FROM attempts")
    raw.commit()
migrate(path, to="1.0")
assert migration_status(path).current == "1.0"
with CheckpointStore(path, state_file=None) as store:
    assert store.check() == [] and store.recovery is None
    print([job.progress().completed_chunks for job in store.jobs()])
