"""What the tests of claims share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path


TOTAL = 6


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the sqlite3 prompt would say, asked of a copy: to close the live file here would drop this process's locks."""
    reading = CheckpointStore(path, read_only=True)
    try:
        return reading._context.reading._database.read(lambda connection: connection.execute(statement).fetchall())
    finally:
        reading.close()


HOLDER = """
import sys, time
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
job = store.latest_job()
kept = []
for chunk in job.pending():
    kept.append(chunk)
    if len(kept) == int(sys.argv[1]):
        break
print(*(chunk.index for chunk in kept), flush=True)
"""


WAITS = HOLDER + "sys.stdin.readline()\n"
