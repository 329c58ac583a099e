"""The verbs of the storage about handles; they take and return plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements.jobs import jobs
from checkpoint_store.storage.statements.plans import carry_over
from checkpoint_store.storage.statements.rows import HANDLE, read_row
from checkpoint_store.storage.verbs.base import WritingVerbs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database


class HandleStorage(WritingVerbs):
    """The handles of the chunks of one store file. Safe to share between threads."""

    def __init__(self, database: Database, state_files: Sequence[Path]) -> None:
        super().__init__(database)
        self.state_files: Final = tuple(state_files)
        """The state file, and the backup of that."""
        self.lock_timeout_seconds: Final = database.lock_timeout_seconds

    def record(
        self, job_id: str, fingerprints: Mapping[int, str | None], handle: str | None, *, attempt: int | None = None
    ) -> None:
        """Record one handle for chunks of a job, all or none; None clears their handles. Durable when this returns.

        ``fingerprints`` has the chunks by index; a fingerprint is None where the chunk is not at hand. ``attempt``: the
        number of the attempt that the handle is of. If the chunk is to be done again since that attempt, nothing is
        recorded: the service would give the earlier result once more.

        Raises:
            JobNotFound: the job was deleted.
        """

        def work(connection: sqlite3.Connection) -> None:
            jobs.find_job(connection, job_id, self.path)
            named = fingerprints
            if attempt is not None:
                named = {at: by for at, by in named.items() if not redos.is_older(connection, job_id, at, attempt)}
            handles.record(connection, job_id, named, handle)

        self._database.write(work)

    def has_any(self, job_id: str) -> bool:
        """Return whether any chunk of a job has a handle: if none has, no chunk needs to be looked at for one."""
        (has_any,) = self._database.read_row_between_writes(handles.HAS_ANY.text, (job_id,)) or (0,)
        return bool(has_any)

    def look_at(self, job_id: str, index: int) -> tuple[bool, str | None]:
        """Return whether a chunk is complete, and its handle (None: no handle, or complete).

        This is one read: it is made before each try.

        Raises:
            StoreDamaged: the stored handle is no text that this library writes.
        """
        here = (job_id, index, job_id, index)
        handle, is_completed = self._database.read_row_between_writes(handles.LOOK_AT.text, here) or (None, 0)
        if handle is None or is_completed:
            return bool(is_completed), None
        stored = {"chunk_index": index, "handle": handle}
        return False, read_row("chunk_handles", HANDLE, stored, self.path, job_id)["handle"]

    def note_payer(self, job_id: str, index: int) -> None:
        """Let a result count once that was asked for by one handle in two places. Durable when this returns.

        If the handle is of a job of other settings, these are recorded with the result. Call this after a chunk with a
        handle was completed. Repeating it changes nothing.
        """

        def is_to_note(connection: sqlite3.Connection) -> bool:
            payer = carry_over.payer_of(connection, job_id, index)
            return payer is not None or (
                carry_over.settings_of_handle(connection, job_id, index, self.path) is not None
            )

        if self._database.read(is_to_note):
            self._database.write(carry_over.note_origin, job_id, index, self.path)
