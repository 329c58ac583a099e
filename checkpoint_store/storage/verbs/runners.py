"""The verbs of the storage about runners, and the claims that the next transaction frees."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.model.records import RunnerRecord
from checkpoint_store.storage.runner_lock import RunnerLock, reap, recorded_name, runner_lock_path, runner_lock_paths
from checkpoint_store.storage.statements.attempts import attempts, liveness, runners
from checkpoint_store.storage.statements.jobs import stretch
from checkpoint_store.storage.verbs.base import ReadingVerbs, WritingVerbs
from checkpoint_store.system.files import remove_file, storage_errors
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.processes import host_name

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.records import Claim


class Release(NamedTuple):
    """A claim to free."""

    job_id: str
    runner_id: int
    claim: Claim
    begun: bool
    """Whether the work had begun: then the chunk is in doubt. Otherwise the claim leaves no trace."""


class QueuedReleases(deque[Release]):
    """The claims of one store file that wait to be freed. Safe to share between threads; nobody is waited for."""

    def write(self, connection: sqlite3.Connection) -> None:
        """Free the claims in the open transaction, after the checks that may refuse the transaction.

        If the transaction is rolled back all the same, the claims do not return to the queue: the next search of their
        runner finds them. If it was committed after all, a chunk may be claimed again by then, under the same number.
        """
        while self:
            release = self.popleft()
            free = attempts.abandon if release.begun else attempts.release
            free(connection, release.job_id, release.runner_id, release.claim)


class RunnerStorage(WritingVerbs, ForkAware):
    """The runners of one store file. Safe to share between threads; a forked child has no runner.

    A verb that writes returns once what it wrote is durable. Each raises a :class:`CheckpointStoreError` where the
    store cannot be read or written, and nothing was written then.

    ``releases``: the claims that are freed with the next end of a runner.
    """

    def __init__(self, database: Database, releases: QueuedReleases) -> None:
        super().__init__(database)
        self._releases = releases
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the runners are the parent's."""
        self.locks: dict[int, RunnerLock] = {}
        """The lock of each runner that was registered here, and has not ended."""

    def register(self, job_id: str, *, exclusive: bool) -> int:
        """Record a runner of this process, which is alive from now on, and return its id. Durable when it returns.

        Raises:
            JobBusy: another runner has the job for itself, or ``exclusive`` asks for that and another is at work.
            JobNotFound: the job was deleted.
        """
        lock = RunnerLock(self.path)

        def work(connection: sqlite3.Connection) -> int:
            liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=None, exclusive=exclusive)
            stretch.go_on(connection, job_id, self.path)
            return add_runner(connection, job_id, lock.path, exclusive=exclusive)

        try:
            runner_id = self._write_of_job(job_id, work)
        except BaseException:
            lock.end()
            raise
        self.locks[runner_id] = lock
        return runner_id

    def make_exclusive(self, job_id: str, runner_id: int) -> None:
        """Give a runner the job for itself. Durable when it returns.

        Raises:
            JobBusy: another runner is at work on the job.
        """

        def work(connection: sqlite3.Connection) -> None:
            liveness.refuse_if_busy(connection, self.path, job_id, own_runner_id=runner_id, exclusive=True)
            runners.MAKE_EXCLUSIVE.run(connection, its_id=runner_id)

        self._write_of_job(job_id, work)

    def end(self, job_id: str, runner_id: int, *, begun: Collection[Claim], only_if_free: bool = False) -> None:
        """Record that a runner has ended, and release its lock. Durable when it returns.

        The claims that it had ``begun`` are in doubt, and do not count as attempts; its other claims are free.

        ``only_if_free``: wait for no thread, and only briefly for other processes, as a finalizer has to.

        Raises:
            StoreBusy: the store was busy. The runner is as it was.
        """

        def work(connection: sqlite3.Connection) -> None:
            self._releases.write(connection)
            attempts.end_runner(connection, runner_id, begun=frozenset(begun), is_counted=False)

        self._write_of_job(job_id, work, only_if_free=only_if_free)
        lock = self.locks.pop(runner_id, None)
        if lock is not None:
            lock.end()

    def release(self, job_id: str, runner_id: int) -> int:
        """Give the chunks of a runner to the others, also where it is alive; return how many. Durable when it returns.

        Chunks whose work the runner had begun are in doubt, and their attempts do not count. If its process goes on, it
        may still record the chunks that it has in hand, and starts no other chunk.

        Raises:
            InvalidArgumentError: the job has no such runner, or it has ended.
        """
        moved: dict[Path, Path] = {}

        def work(connection: sqlite3.Connection) -> int:
            freed, lock_file = liveness.release(connection, self.path, job_id, runner_id)
            aside = lock_file.with_name(f"{lock_file.name}.released")
            with storage_errors(lock_file), suppress(FileNotFoundError):
                lock_file.rename(aside)  # before the commit: this runner then starts none of the freed chunks
                moved[lock_file] = aside
            return freed

        try:
            freed = self._write_of_job(job_id, work)
        except BaseException:
            self._put_back(job_id, runner_id, moved)
            raise
        for aside in moved.values():
            remove_file(aside)
        return freed

    def _put_back(self, job_id: str, runner_id: int, moved: dict[Path, Path]) -> None:
        """Put the lock file of a runner back that was not released: without it, the runner would be taken for dead."""
        with suppress(CheckpointStoreError, OSError):
            at_work = self._database.read(runners.runners_at_work, job_id)
            if runner_id in {runner.runner_id for runner in at_work}:
                for lock_file, aside in moved.items():
                    aside.rename(lock_file)

    def drop(self, runner_id: int) -> None:
        """Release the lock of a runner, and record nothing: the next process that probes it finds the runner dead.

        The lock file stays until that process has recorded the end: it lists the attempts that had begun.
        """
        lock = self.locks.pop(runner_id, None)
        if lock is not None:
            lock.leave()

    def others_at_work(self, job_id: str, *, own_runner_id: int | None) -> bool:
        """Return whether another runner is at work on a job now. Dead runners are reaped, durably."""

        def work(connection: sqlite3.Connection) -> bool:
            return liveness.others_at_work(connection, self.path, job_id, own_runner_id=own_runner_id)

        return self._write_of_job(job_id, work)

    def reap_dead(self) -> None:
        """Record the end of runners that were killed, of any job, and remove their locks. Durable when it returns.

        The chunks whose work they had begun are in doubt; that counts as an attempt. Their other claims are free.
        """
        lock_paths = runner_lock_paths(self.path)
        if not lock_paths:
            return

        def work(connection: sqlite3.Connection) -> list[Path]:
            at_work = runners.runners_at_work(connection)
            needed = {runner_lock_path(self.path, runner.lock_file).name for runner in at_work}
            for path in lock_paths:  # nobody registers meanwhile: the runner of the file has ended, or was not recorded
                if path.name not in needed:
                    reap(path)
            dead = [runner for runner in at_work if liveness.reap_if_dead(connection, self.path, runner)]
            return [runner_lock_path(self.path, runner.lock_file) for runner in dead]

        for path in self._database.write(work):
            reap(path)


def add_runner(connection: sqlite3.Connection, job_id: str, lock_file: Path, *, exclusive: bool) -> int:
    """Record a runner of this process, and return its id."""
    lock_name = recorded_name(lock_file)
    return runners.add_runner(connection, job_id, lock_name, host_name(), os.getpid(), exclusive=exclusive)


class LivingRunners(ReadingVerbs):
    """The reading verbs about runners. Safe to share between threads."""

    def of_job(self, job_id: str) -> list[RunnerRecord]:
        """Return the runners of a job that have not ended, as far as the store knows, by number."""

        def read(connection: sqlite3.Connection) -> list[RunnerRecord]:
            return [
                RunnerRecord(
                    runner=runner.runner_id,
                    host=runner.host,
                    pid=runner.pid,
                    started_at=runner.started_at,
                    is_exclusive=bool(runner.exclusive),
                    is_alive=liveness.is_alive(self.path, runner),
                    chunks_in_hand=attempts.in_hand(connection, runner.runner_id),
                )
                for runner in runners.runners_at_work(connection, job_id)
            ]

        return self._database.read(read)

    def is_any_alive(self, job_id: str) -> bool:
        """Whether a runner of a job is alive now: the lock that it holds says so."""
        return self._database.read(liveness.is_anyone_at_work, self.path, job_id)

    def elsewhere(self, but: Collection[int | None]) -> list[tuple[str, str, int]]:
        """Return the job, the host and the process id of each living runner of any job, by number.

        ``but``: the runners that do not count.
        """

        def read(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
            at_work = [runner for runner in runners.runners_at_work(connection) if runner.runner_id not in but]
            return [(it.job_id, it.host, it.pid) for it in at_work if liveness.is_alive(self.path, it)]

        return self._database.read(read)

    def count(self, job_id: str, *, but: int | None = None) -> int:
        """Return how many runners work on a job and are alive, the runner ``but`` not counted. Nothing is reaped."""
        return self._database.read(liveness.living_runners, self.path, job_id, but)
