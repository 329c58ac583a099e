"""The bases of all objects with verbs of a store, and the healing of a store during reads."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

from checkpoint_store.errors import StoreDamaged, StoreRecovered
from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.storage.statements.job_rows import no_job
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.log import WarningsLast, log_and_warn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.connection.read_only import AnyDatabase

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_FINALIZER_WAIT_SECONDS_MAX: Final = 0.5
"""The longest wait of a finalizer for other processes."""


class ReadingVerbs:
    """Reading verbs of one subject, on an open store file. Safe to share between threads."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database: Final = database
        self.path: Final = database.path
        """The store file."""


class WritingVerbs:
    """Writing verbs of one subject, on an open store file. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self.path: Final = database.path
        """The store file."""

    def _write_of_job(
        self, job_id: str, work: Callable[[sqlite3.Connection, *Ts], T], *given: *Ts, only_if_free: bool = False
    ) -> T:
        """Return what ``work`` wrote in one transaction for a job; ``only_if_free`` is for finalizers.

        Raises:
            JobNotFound: the job was deleted.
        """
        database = self._database
        try:
            if only_if_free:
                wait = _FINALIZER_WAIT_SECONDS_MAX
                return database.write_if_free(lambda connection: work(connection, *given), patience_seconds=wait)
            return database.write(lambda connection: work(connection, *given))
        except StoreDamaged as error:
            if code_of(error.__cause__ or error) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise database.read(no_job, job_id, self.path) from error
            raise


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
