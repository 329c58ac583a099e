"""A store file that was emptied: its WAL or its journal tells that it had pages."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from pathlib import Path

_JOURNAL_BEGINS: Final = bytes.fromhex("d9d505f920a163d7")


def refuse_emptied(path: Path) -> None:
    """Raise :class:`StoreDamaged` for an empty file beside a WAL, or a journal of pages: SQLite would remove that, too.

    The results that are not yet in the file stand in the WAL alone.
    """
    if not has_bytes(path) and is_there(path) and (log := log_beside(path)) is not None:
        raise StoreDamaged(path, f"it is empty, but its {log} is there")


def log_beside(path: Path) -> str | None:
    """Return which log tells that a file had pages, WAL or journal; None if neither does."""
    files = StoreFiles(path)
    if has_bytes(files.wal):
        return "WAL"
    if has_bytes(files.journal):
        with suppress(OSError), files.journal.open("rb") as journal:
            begin = journal.read(20)  # at its end the number of pages before the transaction: 0 while a store is made
            if begin.startswith(_JOURNAL_BEGINS) and any(begin[16:]):
                return "journal"
    return None
