"""The base of all objects with verbs that read a store, and the healing of a store during reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from checkpoint_store.errors import StoreDamaged, StoreRecovered
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.log import WarningsLast, log_and_warn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase


class ReadingVerbs:
    """Reading verbs of one subject, on an open store file. Safe to share between threads."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database: Final = database
        self.path: Final = database.path
        """The store file."""


T = TypeVar("T")


class SelfHealing:
    """Heals the results of an open store file during reads. Safe to share between threads."""

    def __init__(self, database: AnyDatabase, state_files: Sequence[Path] = ()) -> None:
        self._database = database
        self._state_files: Final = state_files
        self.substitutes: Final[dict[str, str]] = {}
        """Texts that copies have of results which are damaged in the store file and cannot be put back; by digest."""

    def run(self, work: Callable[[], T], job_id: str | None = None) -> T:
        """Return what ``work`` returns. After a damaged result, put that back from a copy and call ``work`` again.

        A :class:`StoreRecovered` warning, after that call, says which result came from which copy. ``job_id``: the job
        whose results are read; None: any job.

        Raises:
            StoreDamaged: a result is damaged, and no copy has it.
        """
        try:
            return work()
        except StoreDamaged as error:
            with importing():
                from checkpoint_store.storage.recovery import healing  # a sound store never comes here

            healed = healing.heal(self._database, self._state_files, error.job_id or job_id)
            if not healed.texts and (healed.broken or error.chunk_index is None):
                raise
            if not healed.put_back:
                self.substitutes.update(healed.texts)
        with WarningsLast():
            if healed.texts:
                log_and_warn(str(healed), StoreRecovered)
            return work()
