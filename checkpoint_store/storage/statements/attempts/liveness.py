"""The liveness of runners: a runner is alive while it holds its lock. A dead one is reaped in the open transaction.

The lock file of a runner that was reaped stays until the next open of the store. A transaction may be rolled back, and
the file tells which attempts of the runner had begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import InvalidArgumentError, JobBusy, counted
from checkpoint_store.storage.runner_lock import (
    BegunAttempts,
    begun_by,
    probe,
    runner_lock_path,
)
from checkpoint_store.storage.statements.attempts import attempts, runners
from checkpoint_store.storage.statements.job_rows import is_completed_job
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container
    from pathlib import Path

    from checkpoint_store.storage.records.records import Runner


def reap_if_dead(connection: sqlite3.Connection, store: Path, runner: Runner) -> bool:
    """Return whether a runner is dead. Record the end of a dead runner: its begun chunks are in doubt."""
    return _reap_if_dead(connection, store, runner.runner_id, runner.job_id, runner.lock_file)


def _reap_if_dead(
    connection: sqlite3.Connection, store: Path, runner_id: int, job_id: str, lock_file: str | None
) -> bool:
    begun = BegunAttempts(None) if lock_file is None else probe(runner_lock_path(store, lock_file))
    if begun is None:
        return False
    in_doubt = attempts.end_runner(connection, runner_id, begun=begun.begun, is_counted=True)
    log.warning("runner %d of job %s is dead: reaped, %s in doubt", runner_id, job_id, counted(in_doubt, "chunk"))
    return True


def refuse_if_busy(
    connection: sqlite3.Connection, store: Path, job_id: str, *, own_runner_id: int | None, exclusive: bool
) -> None:
    """Refuse to work on a job that another runner has for itself; with ``exclusive``, that another runner works on.

    Nothing is written, so that the transaction may be rolled back. A completed job is never busy.
    """
    for other in _other_runners(connection, job_id, own_runner_id):
        if (exclusive or other.exclusive) and is_alive(store, other):
            if is_completed_job(connection, job_id):
                return
            raise JobBusy(job_id, other.pid, other.host, other.started_at, other.runner_id)


def release(connection: sqlite3.Connection, store: Path, job_id: str, runner_id: int) -> tuple[int, Path]:
    """Give the chunks of a runner, alive or not, to the others; see :meth:`RunnerStorage.release`.

    Returns how many they are, and the lock file of the runner, which must be out of its way before the commit.
    """
    at_work = {runner.runner_id: runner for runner in runners.runners_at_work(connection, job_id)}
    if runner_id not in at_work:
        known = f"at work are {', '.join(map(str, at_work))}" if at_work else "none is at work"
        raise InvalidArgumentError("runner", runner_id, f"is no runner at work on job {job_id}; {known}")
    lock_file = runner_lock_path(store, at_work[runner_id].lock_file)
    freed = attempts.in_hand(connection, runner_id)
    attempts.end_runner(connection, runner_id, begun=begun_by(lock_file).begun, is_counted=False)
    log.warning("runner %d of job %s was released by hand: %s free", runner_id, job_id, counted(freed, "chunk"))
    return freed, lock_file


def others_at_work(connection: sqlite3.Connection, store: Path, job_id: str, *, own_runner_id: int | None) -> bool:
    """Return whether another runner is at work on a job now. Dead runners are reaped."""
    others = _other_runners(connection, job_id, own_runner_id)
    are_dead = [reap_if_dead(connection, store, other) for other in others]
    return not all(are_dead)


def is_anyone_at_work(connection: sqlite3.Connection, store: Path, job_id: str) -> bool:
    """Return whether a runner of a job is alive now. Nothing is written, and dead runners stay as they are."""
    return any(is_alive(store, runner) for runner in runners.runners_at_work(connection, job_id))


def living_runners(connection: sqlite3.Connection, store: Path, job_id: str, but: int | None) -> int:
    """Return how many runners of a job are alive, the runner ``but`` not counted. Nothing is written."""
    return sum(is_alive(store, runner) for runner in _other_runners(connection, job_id, but))


def is_alive(store: Path, runner: Runner) -> bool:
    """Return whether a runner is alive: whether it holds its lock."""
    return probe(runner_lock_path(store, runner.lock_file)) is None


def _other_runners(connection: sqlite3.Connection, job_id: str, own_runner_id: int | None) -> list[Runner]:
    at_work = runners.runners_at_work(connection, job_id)
    return [runner for runner in at_work if runner.runner_id != own_runner_id]


class Liveness:
    """The liveness of the runners of a job in one transaction: each runner is probed at most once.

    Dead runners are reaped, but not with ``reads_only``.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: Path,
        job_id: str,
        trusted_runner_ids: Container[int] = (),
        *,
        reads_only: bool = False,
    ) -> None:
        self._connection, self._store, self._job_id = connection, store, job_id
        self._trusted, self._reads_only = trusted_runner_ids, reads_only
        self.alive: set[int] = set()
        """The runners that were probed, and are alive."""
        self.dead: set[int] = set()
        """The runners that were found dead."""
        self._begun: dict[int, frozenset[tuple[int, int]] | None] = {}
        """The attempts that each living runner may have begun; None: any of its attempts."""

    def is_alive(self, runner_id: int) -> bool:
        """Whether a runner is alive: trusted by the caller, or found so by a probe."""
        if runner_id in self._trusted or runner_id in self.alive:
            return True
        if runner_id in self.dead:
            return False
        lock_file = runners.lock_file_of(self._connection, runner_id)
        if self._reads_only:
            is_dead = lock_file is None or probe(runner_lock_path(self._store, lock_file)) is not None
        else:
            is_dead = _reap_if_dead(self._connection, self._store, runner_id, self._job_id, lock_file)
        (self.dead if is_dead else self.alive).add(runner_id)
        return not is_dead

    def has_begun(self, runner_id: int, attempt: tuple[int, int]) -> bool:
        """Whether a runner is alive, and may have begun an attempt (chunk index, number) that it has claimed."""
        if not self.is_alive(runner_id):
            return False
        if runner_id not in self._begun:
            lock_file = runners.lock_file_of(self._connection, runner_id)
            known = BegunAttempts(None) if lock_file is None else begun_by(runner_lock_path(self._store, lock_file))
            self._begun[runner_id] = known.begun
        begun = self._begun[runner_id]
        return begun is None or attempt in begun
