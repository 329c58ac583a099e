"""The verbs of the storage about the claims of runners. They take and return records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import ChunkAlreadyCompleted
from checkpoint_store.storage.statements import results
from checkpoint_store.storage.statements.attempts import attempts, claim_search, liveness, runners
from checkpoint_store.storage.statements.job_rows import is_completed_job
from checkpoint_store.storage.verbs.base import WritingVerbs
from checkpoint_store.storage.verbs.runners import QueuedReleases, Release, RunnerStorage, add_runner
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.records import (
        Claim,
        ClaimRequest,
        ClaimSearchResult,
        FailedAttempt,
        FailureOutcome,
    )


class ClaimStorage(WritingVerbs, ForkAware):
    """The claims of one store file. Safe to share between threads; a forked child has no claim.

    A verb that writes returns once what it wrote is durable, unless it says otherwise. Each raises a
    :class:`CheckpointStoreError` where the store cannot be read or written, and nothing was written then.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.lock_timeout_seconds: Final = database.lock_timeout_seconds
        self.releases: Final = QueuedReleases()
        """The claims that wait to be freed by the next verb that writes."""
        self.runners: Final = RunnerStorage(database, self.releases)
        """The verbs for runners."""
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: forget the claims and the queued releases, which are the parent's."""
        self.releases.clear()
        self._reporter_ids: dict[str, int] = {}
        """The reporter of each job: the runner, which has ended, of failures that no runner reports."""

    @property
    def is_closed(self) -> bool:
        """Whether the store is closed: every verb is refused."""
        return self._database.closed

    # -- claims

    def claim(self, request: ClaimRequest) -> ClaimSearchResult:
        """Begin attempts at up to ``request.wanted`` chunks, the lowest first. Durable when it returns.

        Completed and failed chunks are passed over, and so are chunks that a living runner has claimed. A dead runner
        that the search meets is reaped, and its chunks are free to be claimed.

        Raises:
            JobNotFound: the job was deleted.
        """

        def work(connection: sqlite3.Connection) -> ClaimSearchResult:
            self.releases.write(connection)
            return claim_search.search(connection, self.path, request)

        return self._write_of_job(request.job_id, work)

    def note_begun(self, runner_id: int, claims: Sequence[Claim]) -> bool:
        """Note that the work on claimed chunks begins: if this process is killed, the chunks are in doubt.

        The note survives the end of the process, not of the machine. A runner that has ended notes nothing. Returns
        False where the runner was released by hand meanwhile: the chunks may be another's.
        """
        lock = self.runners.locks.get(runner_id)
        return lock is None or lock.note_begun(claims)

    def done(self, runner_id: int, claim: Claim) -> None:
        """Note that the work on a claimed chunk is over, however it ended. As durable as :meth:`note_begun`."""
        lock = self.runners.locks.get(runner_id)
        if lock is not None:
            lock.done(*claim)

    def note_unbegun(self, runner_id: int, claim: Claim) -> None:
        """Note that the work of which :meth:`note_begun` told has not begun. As durable as :meth:`note_begun`.

        Call this while no thread calls :meth:`note_begun`.
        """
        lock = self.runners.locks.get(runner_id)
        if lock is not None:
            lock.note_unbegun(*claim)

    def fail(self, failed: FailedAttempt) -> FailureOutcome:
        """End an attempt as failed, and begin the next one where the report says so. Durable when it returns.

        Raises:
            ChunkAlreadyCompleted: the chunk is complete.
            JobBusy: the failure is reported by no runner, and a runner has the job for itself.
            JobNotFound: the job was deleted.
        """
        runner_id = failed.runner_id

        def work(connection: sqlite3.Connection) -> FailureOutcome:
            nonlocal runner_id
            if runner_id is None:
                runner_id = self._reporter_of(connection, failed.job_id)
            if results.is_complete(connection, failed.job_id, failed.chunk_index):
                raise ChunkAlreadyCompleted(failed.job_id, failed.chunk_index)
            self.releases.write(connection)
            return attempts.fail(connection, failed, runner_id)

        outcome = self._write_of_job(failed.job_id, work)
        if failed.runner_id is None and runner_id is not None:
            self._reporter_ids[failed.job_id] = runner_id
        return outcome

    def _reporter_of(self, connection: sqlite3.Connection, job_id: str) -> int:
        """Return the reporter of a job: a runner, which has ended, for a failure that no runner reports."""
        liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=None, exclusive=False)
        known = self._reporter_ids.get(job_id)
        if known is not None and runners.OF_JOB.run(connection, its_id=known, in_job=job_id).fetchone() is not None:
            return known  # neither was deleted
        no_lock = self.path.with_name(f"{self.path.name}.reporter-{os.urandom(6).hex()}")
        runner_id = add_runner(connection, job_id, no_lock, exclusive=False)
        attempts.end_runner(connection, runner_id, begun=None, is_counted=False)
        return runner_id

    def queue_release(self, job_id: str, runner_id: int, claim: Claim, *, begun: bool) -> None:
        """Queue a claim, which the next verb that writes frees. If its work had ``begun``, the chunk is in doubt then.

        This writes nothing and waits for nobody. Until the release is durable, the runner has the chunk.
        """
        self.releases.append(Release(job_id, runner_id, claim, begun))

    def release(self, job_id: str) -> None:
        """Free the claims of :meth:`queue_release` now, if the store is free; for finalizers. Durable when it returns.

        Raises:
            StoreBusy: a thread of this process is writing, or another process is. The next verb that writes frees them.
        """
        if self.releases:
            self._write_of_job(job_id, self.releases.write, only_if_free=True)

    # -- reading

    def last_pause(self, job_id: str) -> int:
        """Return the number of the last pause of the job that was not withdrawn; 0 for none."""
        row = self._database.read_row(runners.LAST_PAUSE.text, (job_id,))
        assert row is not None
        (number,) = row
        return int(number)

    def completed_in(self, job_id: str, start: int, stop: int) -> int:
        """Return how many chunks of ``[start, stop)`` are complete."""
        return self._database.read(lambda connection: len(results.completed_in(connection, job_id, start, stop)))

    def is_completed(self, job_id: str) -> bool:
        """Return whether no chunk of the job is left."""
        return self._database.read(is_completed_job, job_id)
