"""A limit on the steps that SQLite may take to read a file that nobody has checked.

The pages of a damaged table, or of a manipulated one, can lead in circles: a file of 40 KB then has more rows than
anybody can read. A read of a sound store takes at most two steps of SQLite for each byte, and most reads far fewer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.files.names import StoreFiles

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

REASON: Final = "reading it does not end, as its pages lead in circles"
_STEPS_PER_BYTE: Final = 50
_STEPS_MIN: Final = 1_000_000
"""The least limit: some hundredths of a second."""
_STEPS_PER_LOOK: Final = 100_000
"""Steps of SQLite's virtual machine between two looks: some milliseconds."""


def limit_steps(connection: sqlite3.Connection, path: Path) -> None:
    """Let the statements of a connection to ``path`` end in SQLITE_INTERRUPT once they took too many steps together."""
    size_bytes = 0
    for file in (path, StoreFiles(path).wal):
        with suppress(OSError):
            size_bytes += file.stat().st_size
    looks_left = iter(range((_STEPS_MIN + _STEPS_PER_BYTE * size_bytes) // _STEPS_PER_LOOK))
    connection.set_progress_handler(lambda: next(looks_left, None) is None, _STEPS_PER_LOOK)
