"""``on_backup``: the caller's function that carries each automatic backup away from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.error_text import describe
from checkpoint_store.storage.backup import version_of
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.storage.backup import BackupVersion


class BackupListener:
    """Calls a function with the path of each automatic backup: once, and again after a call that failed."""

    def __init__(self, on_backup: Callable[[Path], object] | None) -> None:
        if on_backup is not None and not callable(on_backup):
            raise InvalidArgumentError("on_backup", on_backup, "is no function of the path of a backup")
        self._on_backup: Final = on_backup
        self._calls: dict[tuple[Path, BackupVersion | None], object] = {}
        """The backups for which the function was called, or is called just now."""

    def tell(self, backup: Path | None) -> None:
        """Call the function with the newest backup; None: no backup was made.

        An earlier process may have been killed before it carried its backup away: that backup counts, too, if it holds
        all that the store has now. An error of the function is logged, and ends nothing.
        """
        if backup is None or self._on_backup is None:
            return
        version, call, is_carried = (backup, version_of(backup)), object(), False
        if self._calls.setdefault(version, call) is not call:  # the loop of another thread may have ended just now
            return
        try:
            self._on_backup(backup)
            is_carried = True
        except Exception as error:  # whatever the caller's function raises
            log.warning("on_backup failed for %s, and will be called for it again: %s", backup, describe(error))
        finally:
            if not is_carried:
                del self._calls[version]
