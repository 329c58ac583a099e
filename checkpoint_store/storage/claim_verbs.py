"""What a store can do for runners and their claims: verbs that take and return records."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from checkpoint_store.errors import ChunkAlreadyCompleted, JobNotFound, StoreDamaged
from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.storage.runner_lock import RunnerLock, reap, runner_lock_paths
from checkpoint_store.storage.statements import attempts, claim_search, liveness, results, runners, stretch
from checkpoint_store.storage.statements.job_endings import is_completed_job
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records import Claim, ClaimRequest, FailedAttempt, FailureOutcome, Found

T = TypeVar("T")

_FINALIZER_WAIT_SECONDS_MAX: Final = 0.5
"""How long a finalizer waits for other processes."""


class _Release(NamedTuple):
    """A claim to free."""

    job_id: str
    runner_id: int
    claim: Claim
    begun: bool


class ClaimStorage(ForkAware):
    """Runners and claims of one store file. Safe to share between threads; a forked child has no runner and no claim.

    A verb that writes returns once what it wrote is durable, unless it says otherwise. Each raises a
    :class:`CheckpointStoreError` where the store cannot be read or written, and nothing was written then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.path: Final[Path] = database.path
        """The store file."""
        self.lock_timeout_seconds: Final = database.lock_timeout_seconds
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the runners are the parent's, and so is what they let go of."""
        self._locks: dict[int, RunnerLock] = {}
        """The lock of each runner that was registered here, and has not ended."""
        self._releases: deque[_Release] = deque()
        self._reporter_ids: dict[str, int] = {}
        """By job: the runner that has ended, by which failures are recorded that no runner reports."""

    @property
    def is_closed(self) -> bool:
        """Whether the store is closed: every verb is refused."""
        return self._database.closed

    # -- runners

    def register_runner(self, job_id: str, *, exclusive: bool) -> int:
        """Record a runner of this process, which is alive from now on, and return its id. Durable when it returns.

        Raises:
            JobBusy: another runner has the job for itself, or ``exclusive`` asks for that and another is at work.
            JobNotFound: the job was deleted.
        """
        lock = RunnerLock(self.path)

        def work(connection: sqlite3.Connection) -> int:
            liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=None, exclusive=exclusive)
            stretch.go_on(connection, job_id, self.path)
            return self._add_runner(connection, job_id, lock.path.name, exclusive=exclusive)

        try:
            runner_id = self._write(job_id, work)
        except BaseException:
            lock.end()
            raise
        self._locks[runner_id] = lock
        return runner_id

    def make_exclusive(self, job_id: str, runner_id: int) -> None:
        """Give a runner the job for itself. Durable when it returns.

        Raises:
            JobBusy: another runner is at work on the job.
        """

        def work(connection: sqlite3.Connection) -> None:
            liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=runner_id, exclusive=True)
            runners.make_exclusive(connection, runner_id)

        self._write(job_id, work)

    def end_runner(self, job_id: str, runner_id: int, *, begun: Collection[Claim], only_if_free: bool = False) -> None:
        """Record that a runner has ended, and give up its lock. Durable when it returns.

        The claims that it had ``begun`` are in doubt, and do not count as attempts; its other claims are free.

        Args:
            job_id: the job that it worked on.
            runner_id: the runner.
            begun: its claims whose work began.
            only_if_free: wait for no thread, and only briefly for other processes, as a finalizer has to.

        Raises:
            StoreBusy: the store was busy. The runner is as it was.
        """

        def work(connection: sqlite3.Connection) -> None:
            self._write_releases(connection)
            attempts.end_runner(connection, runner_id, begun=frozenset(begun), is_counted=False)

        self._write(job_id, work, only_if_free=only_if_free)
        self.drop_runner(runner_id)

    def release_runner(self, job_id: str, runner_id: int) -> int:
        """Give the chunks of a runner to the others, also where it is alive; return how many. Durable when it returns.

        Those whose work it had begun are in doubt, and do not count as attempts. Where its process goes on, it may
        still record the chunks that it has in hand, and starts no other.

        Raises:
            InvalidArgumentError: the job has no such runner, or it has ended.
        """
        return self._write(job_id, lambda connection: liveness.release(connection, self.path, job_id, runner_id))

    def drop_runner(self, runner_id: int) -> None:
        """Give up the lock of a runner. Nothing is recorded: the next process that looks finds the runner dead."""
        lock = self._locks.pop(runner_id, None)
        if lock is not None:
            lock.end()

    def others_at_work(self, job_id: str, *, own_runner_id: int | None) -> bool:
        """Return whether another runner is at work on a job now. Dead ones are reaped; that is durable then."""
        return self._write(
            job_id,
            lambda connection: liveness.others_at_work(connection, self.path, job_id, own_runner_id=own_runner_id),
        )

    def reap_dead_runners(self) -> None:
        """Record the end of runners that were killed, of any job, and remove their locks. Durable when it returns.

        The chunks whose work they had begun are in doubt; that counts as an attempt. Their other claims are free.
        """
        lock_paths = runner_lock_paths(self.path)
        if not lock_paths:
            return

        def work(connection: sqlite3.Connection) -> None:
            for runner in runners.runners_at_work(connection):
                liveness.reap_if_dead(connection, self.path, runner)

        self._database.write(work)
        for path in lock_paths:  # those of runners that were killed before they were recorded
            reap(path)

    # -- claims

    def claim(self, request: ClaimRequest) -> Found:
        """Begin attempts at up to ``request.wanted`` chunks, the lowest first. Durable when it returns.

        Passed over are completed and failed chunks, and those in the hand of a runner that is alive. A dead runner that
        is met is reaped, and what it had claimed is free to be claimed.

        Raises:
            JobNotFound: the job was deleted.
        """

        def work(connection: sqlite3.Connection) -> Found:
            self._write_releases(connection)
            return claim_search.search(connection, self.path, request)

        return self._write(request.job_id, work)

    def start(self, runner_id: int, claim: Claim) -> bool:
        """Note that the work on a claimed chunk begins: if this process is killed, the chunk is in doubt.

        The note survives the end of the process, not of the machine. A runner that has ended notes nothing. Returns
        False where the runner was released by hand meanwhile: the chunk may be another's.
        """
        lock = self._locks.get(runner_id)
        return lock is None or lock.start(*claim)

    def done(self, runner_id: int, claim: Claim) -> None:
        """Note that the work on a claimed chunk is over, however it ended. As durable as :meth:`start`."""
        lock = self._locks.get(runner_id)
        if lock is not None:
            lock.done(*claim)

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
            self._write_releases(connection)
            return attempts.fail(connection, failed, runner_id)

        outcome = self._write(failed.job_id, work)
        if failed.runner_id is None and runner_id is not None:
            self._reporter_ids[failed.job_id] = runner_id
        return outcome

    def _reporter_of(self, connection: sqlite3.Connection, job_id: str) -> int:
        """Return a runner for a failure that no runner reports: it has ended already."""
        liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=None, exclusive=False)
        known = self._reporter_ids.get(job_id)
        if known is not None and runners.is_runner_of(connection, known, job_id):
            return known
        no_lock = f"{self.path.name}.reporter-{os.urandom(6).hex()}"
        runner_id = self._add_runner(connection, job_id, no_lock, exclusive=False)
        attempts.end_runner(connection, runner_id, begun=None, is_counted=False)
        return runner_id

    def queue_release(self, job_id: str, runner_id: int, claim: Claim, *, begun: bool) -> None:
        """Let the next verb that writes free a claim: in doubt where its work had ``begun``, or as if never claimed.

        Nothing is written yet, and nobody is waited for. Until it is durable, the runner has the chunk.
        """
        self._releases.append(_Release(job_id, runner_id, claim, begun))

    @property
    def has_queued_releases(self) -> bool:
        """Whether claims wait to be freed by the next verb that writes."""
        return bool(self._releases)

    def release(self, job_id: str) -> None:
        """Free the claims of :meth:`queue_release` now, if the store is free; for finalizers. Durable when it returns.

        Raises:
            StoreBusy: a thread of this process is writing, or another process is. The next verb that writes frees them.
        """
        if self._releases:
            self._write(job_id, self._write_releases, only_if_free=True)

    def _write_releases(self, connection: sqlite3.Connection) -> None:
        """Free the queued claims in the open transaction, after what may refuse the transaction.

        Where the transaction is rolled back all the same, the runner's own next search finds them: they are not put
        back, because a claim that was freed after all may have been claimed again since, under the same number.
        """
        while self._releases:
            release = self._releases.popleft()
            free = attempts.abandon if release.begun else attempts.release
            free(connection, release.job_id, release.runner_id, release.claim)

    # -- what is known

    def last_pause(self, job_id: str) -> int:
        """Return the number of the last request to pause the job that stands; 0 where there is none."""
        row = self._database.read_row(*runners.last_pause(job_id))
        assert row is not None
        (number,) = row
        return int(number)

    def completed_in(self, job_id: str, start: int, stop: int) -> int:
        """Return how many chunks of ``[start, stop)`` are complete."""
        return self._database.read(lambda connection: len(results.completed_in(connection, job_id, start, stop)))

    def is_completed(self, job_id: str) -> bool:
        """Return whether no chunk of the job is left."""
        return self._database.read(lambda connection: is_completed_job(connection, job_id))

    # -- writing

    def _add_runner(self, connection: sqlite3.Connection, job_id: str, lock_name: str, *, exclusive: bool) -> int:
        return runners.add_runner(connection, job_id, lock_name, socket.gethostname(), os.getpid(), exclusive=exclusive)

    def _write(self, job_id: str, work: Callable[[sqlite3.Connection], T], *, only_if_free: bool = False) -> T:
        try:
            if only_if_free:
                return self._database.write_if_free(work, patience_seconds=_FINALIZER_WAIT_SECONDS_MAX)
            return self._database.write(work)
        except StoreDamaged as error:
            if code_of(error.__cause__ or error) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise JobNotFound(job_id, self.path) from error
            raise
