"""The verbs of the storage about whole states, which a ``StateManager`` saves and a state file shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.statements import completions, save_state
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.verbs.base import WritingVerbs

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.records import Completion, JobRecord, Known
    from checkpoint_store.storage.records.saved_state import Looked, Saved
    from checkpoint_store.storage.verbs.base import SelfHealing

_INDEX_MAX: Final = 2**63 - 1
_CURRENT: Final = """
SELECT job_id, total_chunks, status,
       (SELECT digest FROM completed_chunks c WHERE c.job_id = jobs.job_id AND chunk_index = ?)
FROM jobs WHERE is_current = 1
"""


class StateVerbs(WritingVerbs):
    """The verbs for states of one store file. Safe to share between threads."""

    def __init__(self, database: Database, healing: SelfHealing) -> None:
        super().__init__(database)
        self._healing: Final = healing

    def save(self, state: ProcessingState, known: Known | None, looked: Looked) -> Saved:
        """Make a state the current job, and write only what differs from the store. Durable when this returns.

        ``known`` is the last value of this verb, or of :meth:`current`. If another job has become current since the
        caller looked, the state is recorded, and does not become current.

        Raises:
            StateFormatError: nothing tells which chunk a result belongs to. Nothing was written.
            CurrentJobChanged: the store does not have the job, and another one became current. Nothing was written.
            JobBusy: it changes the plan of a job that a loop works on, or a runner has alone. Nothing was written.
        """
        save = save_state.save_changes
        return self._healing.run(lambda: self._database.write(save, state, self.path, known, looked))

    def current(self, known: Known | None) -> Known | None:
        """Return the current job, results included; ``known`` itself if the store still has that content."""
        data_version = self._database.data_version()
        if known is not None and known.data_version == data_version is not None:
            return known

        def read(connection: sqlite3.Connection) -> Known | None:
            current = job_statements.list_jobs(connection, self.path, current=True)
            return next((save_state.load(connection, record, self.path, data_version) for record in current), None)

        return self._healing.run(lambda: self._database.read(read))

    def current_row(self, chunk_index: object = None) -> tuple[str, int, str, str | None] | None:
        """Return id, number of chunks and status of the current job by the quickest read; None if no job is current.

        The fourth value is the digest of the result of the chunk; None without a chunk or a result.
        """
        row = self._database.read_row_between_writes(
            _CURRENT, (chunk_index if type(chunk_index) is int and 0 <= chunk_index <= _INDEX_MAX else None,)
        )
        if row is None:
            return None
        job_id, total_chunks, status, digest = row
        return str(job_id), int(total_chunks), str(status), digest

    def still_holds(self, known: Known) -> bool:
        """Whether no process committed anything since the store had this content."""
        return self._database.data_version() == known.data_version is not None

    def complete_and_run(self, completion: Completion) -> None:
        """Record a completion, and set its job ``running`` unless it is paused or complete. Durable on return."""
        self._database.write(completions.complete_and_run, completion)

    def take_in(self, state: ProcessingState) -> JobRecord:
        """Add the parts of a state that the store lacks, as the newest and current job. Durable when this returns.

        Raises:
            ChunkAlreadyCompleted: the store has another result for a chunk. Nothing was written.
        """
        return self._healing.run(lambda: self._database.write(save_state.save, state, self.path, replace=False))
