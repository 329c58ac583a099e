"""A connection that tells a read that the disk failed once from damage, without repeating its work."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, StorageUnavailableError, StoreDamaged
from checkpoint_store.storage.connection.errors import UNREADABLE, failed_read_of, verdict_of
from checkpoint_store.storage.connection.store_file import StoreConnection

if TYPE_CHECKING:
    from pathlib import Path

_REASON: Final = "the disk failed to read a part of it, and reads all of it now"


def _remedy(path: Path) -> str:
    return (
        "Nothing was changed, and everything recorded before is safe: repeat the call. If that happens again, the disk "
        "may be about to break: copy the store to another disk with "
        f"CheckpointStore({str(path)!r}).backup(destination)."
    )


class UnrepeatedConnection(StoreConnection):
    """A connection whose work is not repeated, because it may have done something beside the file."""

    def _abandon(self, error: BaseException) -> None:
        damage = error
        try:
            super()._abandon(error)
        except StoreDamaged as translated:
            damage = translated
        if isinstance(damage, StoreDamaged):
            if failed_read_of(damage) is not None and self._is_sound_now():
                raise StorageUnavailableError(self.file.path, _REASON, _remedy(self.file.path)) from damage
            raise damage

    def _is_sound_now(self) -> bool:
        try:
            with closing(self._open()) as connection:
                return verdict_of(connection, "integrity_check(1)", self.file.path) == ["ok"]
        except (CheckpointStoreError, *UNREADABLE):
            return False
