"""The base of all objects with verbs that read a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from checkpoint_store.storage.connection.read_only import AnyDatabase


class ReadingVerbs:
    """Verbs that read one open store file, of one kind. Safe to share between threads."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database: Final = database
        self.path: Final = database.path
        """The store file."""
