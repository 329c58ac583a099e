"""One of several processes that commit through the library and checkpoint after each commit.

Run as ``python -m faults.commits STORE NUMBER ROUNDS CARE`` (CARE: ``ours`` or ``careless``); prints one JSON object.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.storage.connection import checkpoint, pragmas
from checkpoint_store.storage.connection.checkpoint import Checkpoint
from faults.workload import result_of

if TYPE_CHECKING:
    from checkpoint_store.model.store_file import Durability

_pragmas = pragmas._pragmas
_run = Checkpoint.run
rounds: list[None] = []


def _with_memory_map(mode: str, durability: Durability) -> list[str]:
    """Return the pragmas with the file mapped: then the moment in a checkpoint that the control dies of is longer."""
    return [pragma.replace("mmap_size = 0", "mmap_size = 1073741824") for pragma in _pragmas(mode, durability)]


def _begin_round() -> None:
    """Count, and leave the others a moment: a checkpoint must begin with a WAL that was copied whole."""
    rounds.append(None)
    time.sleep(random.random() * 0.004)


def _counted(self: Checkpoint, writer: sqlite3.Connection) -> bool:
    _begin_round()
    return _run(self, writer)


def _beside_commits(self: Checkpoint, _writer: sqlite3.Connection) -> bool:
    """Checkpoint like a library that ignores the bug: other connections may commit meanwhile."""
    _begin_round()
    with self._reader.lock:
        self._reader.ready().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return True


def main() -> None:
    path, number, wanted, care = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    pragmas._pragmas = _with_memory_map
    checkpoint.CHECKPOINT_BYTES = 1  # type: ignore[misc]
    Checkpoint.run = _counted if care == "ours" else _beside_commits  # type: ignore[method-assign]
    done, error = 0, None
    try:
        with CheckpointStore(path, state_file=None, durability="process", lock_timeout_seconds=60) as store:
            job = store.open_job(f"talk {number}", total_chunks=1_000_000)
            while len(rounds) < wanted:
                job.complete(done, result_of(done))
                done += 1
                job.result(done - 1)  # so that the reading connection has the file mapped
    except (CheckpointStoreError, sqlite3.Error, AssertionError) as caught:
        error = f"{type(caught).__name__}: {caught}"
    print(json.dumps({"acknowledged": done, "rounds": len(rounds), "error": error}))


if __name__ == "__main__":
    main()
