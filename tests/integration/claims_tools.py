"""What the tests of claims share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path


TOTAL = 6
CLAIM = program(__file__, "claim_chunks")


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the sqlite3 prompt would say, asked of a copy: to close the live file here would drop this process's locks."""
    reading = CheckpointStore(path, read_only=True)
    try:
        return reading._context.reading._database.read(lambda connection: connection.execute(statement).fetchall())
    finally:
        reading.close()


def lock_files(folder: Path) -> list[Path]:
    """The lock files of the runners of a folder's stores."""
    return sorted(folder.glob("*.runner-*"))
