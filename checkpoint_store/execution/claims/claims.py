"""Which chunks this process works on: claimed in the store before the work starts, and by one runner at a time.

Whether another runner is alive is known by a file that it keeps locked, never by a clock: what a killed one had in hand
is free at once, and what a sleeping one has is not taken from it.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, JobBusy, JobNotFound, StoreDamaged
from checkpoint_store.execution.claims.claimed_chunk import Held
from checkpoint_store.execution.claims.runner import _TRUST_SECONDS, _has_ended
from checkpoint_store.storage import records
from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.storage.records import Claim
from checkpoint_store.storage.runner_lock import RunnerLock, probe, runner_lock_path
from checkpoint_store.storage.statements import attempts as attempt_statements
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import runners as runner_statements
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checkpoint_store.execution.claims.chunk_queue import Scope
    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.group_commit import Writer
    from checkpoint_store.storage.records import Completion


T = TypeVar("T")

DEFAULT_MAX_ATTEMPTS: Final = 3
_A_FEW: Final = 4
_FREEING_SECONDS: Final = 0.5
"""How long a finalizer waits for other processes."""


_in_this_process: Final[WeakValueDictionary[tuple[str, int], Claims]] = WeakValueDictionary()


class Claims(ForkAware):
    """What one store object has in hand of one job. Safe to share between threads; a fork starts with nothing.

    It is a runner, with a lock file that says so, while it has a loop, or a chunk in hand, or the job for itself.
    """

    def __init__(self, database: Database, job_id: str, runners: set[Claims]) -> None:
        self._database = database
        self._runners = runners
        self.job_id: Final = job_id
        self.lock_timeout_seconds: Final = database.lock_timeout_seconds
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the runner is the parent's, and so is all that it has in hand."""
        self._lock = threading.RLock()
        self._held: dict[int, Held] = {}
        self._dropped: deque[Held] = deque()
        self._sign: RunnerLock | None = None
        self.is_exclusive = False
        """Whether this runner has the job for itself."""
        self._runner_id = 0
        self._reporter_id: int | None = None
        """A runner that has ended, by which failures of chunks that are in no hand are recorded."""
        self._seen_alive: dict[int, float] = {}
        self._scopes: set[Scope] = set()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._database.write(work)
        except StoreDamaged as error:
            if code_of(error.__cause__ or error) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise JobNotFound(self.job_id, "the store (it was deleted)") from error
            raise

    # -- the runner

    def start(self, *, exclusive: bool = False) -> int:
        """Become a runner of this job, unless it is one already; return its id.

        Raises:
            JobBusy: another runner has the job for itself, or ``exclusive`` asks for that and another is at work.
        """
        with self._lock:
            if self._sign is None:
                sign = RunnerLock(self._database.path)
                try:
                    self._runner_id = self._write(
                        lambda connection: self._register(connection, sign.path.name, exclusive=exclusive)
                    )
                except BaseException:
                    sign.end()
                    raise
                self._sign, self.is_exclusive = sign, exclusive
                self._runners.add(self)
                _in_this_process[str(self._database.path), self._runner_id] = self
            elif exclusive:
                self._write(self._make_exclusive)
                self.is_exclusive = True
            return self._runner_id

    def _register(self, connection: sqlite3.Connection, lock_file: str, *, exclusive: bool) -> int:
        self.refuse_if_busy(connection, exclusive=exclusive)
        return runner_statements.add_runner(
            connection, self.job_id, lock_file, socket.gethostname(), os.getpid(), exclusive=exclusive
        )

    def _make_exclusive(self, connection: sqlite3.Connection) -> None:
        self.refuse_if_busy(connection, exclusive=True)
        runner_statements.make_exclusive(connection, self._runner_id)

    def refuse_if_busy(self, connection: sqlite3.Connection, *, exclusive: bool) -> None:
        """Raise :class:`JobBusy` as :meth:`start` does. Nothing is changed, so that the transaction may be undone."""
        for other in self._others(connection):
            alone = exclusive or other.exclusive
            if alone and probe(runner_lock_path(self._database.path, other.lock_file)) is None:
                if job_statements.is_completed_job(connection, self.job_id):
                    return  # there is nothing left for which two could be in each other's way
                raise JobBusy(self.job_id, other.pid, other.host, other.started_at)

    def _others(self, connection: sqlite3.Connection) -> list[records.Runner]:
        """Return the other runners that have not ended, as far as the store knows."""
        own = self._runner_id if self._sign is not None else None
        return [one for one in runner_statements.runners_at_work(connection, self.job_id) if one.runner_id != own]

    def others_at_work(self, connection: sqlite3.Connection) -> bool:
        """Whether another runner is at work on this job now; the end of those that are not is recorded."""
        path = self._database.path
        ended = [_has_ended(connection, path, one.runner_id, one.lock_file) for one in self._others(connection)]
        return not all(ended)

    def begin(self, scope: Scope) -> None:
        """A loop begins."""
        self._scopes.add(scope)

    def end(self, scope: Scope) -> None:
        """A loop has ended; called by finalizers, too, which wait for no lock."""
        self._scopes.discard(scope)

    def others_here(self, *, but_this_thread: bool) -> bool:
        """Whether another loop of this very runner is at work."""
        living = {thread.ident for thread in threading.enumerate()}
        if but_this_thread:
            living.discard(threading.get_ident())
        return any(scope.driven_by in living for scope in list(self._scopes))

    @property
    def are_kept(self) -> bool:
        """Whether a caller has chunks in hand."""
        return any(held.is_handed_out for held in list(self._held.values()))

    def rest(self, *, patiently: bool = False) -> None:
        """End this runner where no loop needs it, nothing is in its hand, and it does not have the job for itself.

        One that has the job for itself ends when the job is completed. Only ``patiently`` is anyone waited for:
        finalizers call this, too. Where it cannot be done now, the next loop of the store object does it, or its end.
        """
        if not self._may_end(look=patiently):
            return
        taken: list[bool] = []
        try:
            take(self._lock, taken, -1 if patiently else 0)
            if taken and self._may_end(look=patiently):
                with suppress(CheckpointStoreError):
                    self._end_runner(self._write if patiently else self._write_if_free)
        finally:
            if taken:
                self._lock.release()

    def _may_end(self, *, look: bool) -> bool:
        if self._sign is None or self._scopes or self._held:
            return False
        return not self.is_exclusive or (look and self.is_job_completed())

    def is_job_completed(self) -> bool:
        """Whether no chunk is left."""
        return self._database.read(lambda connection: job_statements.is_completed_job(connection, self.job_id))

    def _write_if_free(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.write_if_free(work, patience_seconds=_FREEING_SECONDS)

    def close(self) -> None:
        """End this runner. What is still in hand is in doubt."""
        with self._lock:
            if self._sign is None:
                return
            try:
                with suppress(CheckpointStoreError):  # the kernel says it too
                    self._end_runner(self._write)
            finally:
                self._forget_runner()

    def _end_runner(self, write: Callable[[Callable[[sqlite3.Connection], None]], None]) -> None:
        runner_id = self._runner_id
        write(lambda connection: self._leave(connection, runner_id))
        self._forget_runner()

    def _forget_runner(self) -> None:
        sign, self._sign, self.is_exclusive = self._sign, None, False
        _in_this_process.pop((str(self._database.path), self._runner_id), None)
        self._held.clear()
        self._runners.discard(self)
        if sign is not None:
            sign.end()

    def _leave(self, connection: sqlite3.Connection, runner_id: int) -> None:
        self._flush(connection)
        begun = {held.claim for held in self._held.values() if held.begun}
        attempt_statements.end_runner(connection, runner_id, begun=begun, counted=False)

    # -- claiming

    def take(self, scope: Scope, spans: Iterable[tuple[int, int]], wanted: int) -> tuple[list[Held], records.Found]:
        """Claim up to ``wanted`` chunks of these half-open spans for ``scope``, the lowest first."""
        with self._lock:
            runner_id = self.start()
            found = self._write(lambda connection: self._search(connection, scope, runner_id, spans, wanted))
            taken = [Held(claim, scope) for claim in found.claims]
            for held in taken:
                self._held[held.index] = held
            return taken, found

    def _search(
        self,
        connection: sqlite3.Connection,
        scope: Scope,
        runner_id: int,
        spans: Iterable[tuple[int, int]],
        wanted: int,
    ) -> records.Found:
        self._flush(connection)
        ended: set[int] = set()

        def is_held(index: int, by: int) -> bool:
            if by == runner_id:
                held = self._held.get(index)
                return held is not None and held.scope.active
            if not self._is_alive(connection, by):
                ended.add(by)
            return True

        spans = list(spans)
        total = self._search_all(connection, scope, runner_id, spans, wanted, is_held)
        if ended:  # what they had is free now, or in doubt; what was claimed before that is found again
            self._seen_alive.clear()
            total = self._search_all(connection, scope, runner_id, spans, wanted, is_held)
        return total

    def _search_all(  # noqa: PLR0917 - passed on as they are
        self,
        connection: sqlite3.Connection,
        scope: Scope,
        runner_id: int,
        spans: Iterable[tuple[int, int]],
        wanted: int,
        is_held: Callable[[int, int], bool],
    ) -> records.Found:
        total = records.Found([], [], 0)
        for start, stop in spans:
            found = attempt_statements.search(
                connection,
                self.job_id,
                runner_id,
                start=start,
                stop=stop,
                wanted=wanted - len(total.claims),
                max_attempts=scope.max_attempts,
                is_held=is_held,
            )
            total = records.Found(total.claims + found.claims, total.held + found.held, found.next_index)
            if len(total.claims) == wanted:
                break
        return total

    def _is_alive(self, connection: sqlite3.Connection, runner_id: int) -> bool:
        moment = time.monotonic()
        if moment - self._seen_alive.get(runner_id, -1.0) < _TRUST_SECONDS:
            return True
        lock_file = runner_statements.lock_file_of(connection, runner_id)
        if _has_ended(connection, self._database.path, runner_id, lock_file):
            return False
        self._seen_alive[runner_id] = moment
        return True

    def look_again(self) -> None:
        """Trust no one to be alive who is not asked."""
        self._seen_alive.clear()

    # -- what becomes of them

    def attempt_at(self, index: int) -> tuple[int | None, float | None]:
        """Return the number of the attempt at a chunk in hand, and for how many seconds it has been; or Nones."""
        held = self._held.get(index)
        return (None, None) if held is None else (held.number, round(time.monotonic() - held.since, 6))

    def submit(self, writer: Writer, completions: Sequence[Completion]) -> None:
        """Write completions of this job; then the chunks are in hand no longer. See :meth:`Writer.submit`."""
        try:
            writer.submit(completions)
        except ChunkAlreadyCompleted as error:
            self._give_up(error.chunk_index)
            raise
        self.settled(completion.chunk_index for completion in completions)
        if self._dropped:  # while this was being written
            self.let_go([])
        if not self._scopes:
            self.rest(patiently=True)

    def _give_up(self, index: int) -> None:
        """Someone else completed a chunk that is in hand here."""
        held = self._held.get(index)
        if held is not None:
            held.begun = True
            self.let_go([held])

    def held(self, index: int) -> Held | None:
        """Return this chunk if it is in hand."""
        return self._held.get(index)

    def began(self, held: Held) -> None:
        """Work on a chunk in hand begins now."""
        with self._lock:
            held.since = time.monotonic()
            if self._sign is not None:
                self._sign.start(*held.claim)

    def settled(self, indices: Iterable[int]) -> None:
        """These chunks are complete, or failed, in the store: they are in hand no longer."""
        for index in indices:
            held = self._held.pop(index, None)
            if held is not None:
                held.scope.idle = 0
                self._over(held)

    def _over(self, held: Held) -> None:
        sign = self._sign
        if sign is not None:
            sign.done(*held.claim)

    def let_go(self, several: Sequence[Held]) -> None:
        """Free chunks that nothing was recorded for, at once where nobody is in the way; called by finalizers, too."""
        mine = [held for held in several if self._held.get(held.index) is held]
        for held in mine:
            self._held.pop(held.index, None)
            self._over(held)
            self._dropped.append(held)
        if any(held.scope.active and held.scope.idle > _A_FEW for held in mine):
            return  # someone only looks: the next claim of that loop takes it along
        if self._database.closed:
            return
        self.rest()
        if self._dropped and self._sign is not None:
            # Not while this thread (or another one) is in the middle of a transaction: what follows takes it along.
            with suppress(CheckpointStoreError):
                self._write_if_free(self._flush)

    def _flush(self, connection: sqlite3.Connection) -> None:
        dropped = list(self._dropped)
        for begun in (False, True):
            claims = [held.claim for held in dropped if held.begun is begun]
            if claims:
                attempt_statements.release(connection, self.job_id, claims, begun=begun)
        for held in dropped:
            with suppress(ValueError):
                self._dropped.remove(held)

    def fail(
        self,
        index: int,
        error: str,
        *,
        limit: int = DEFAULT_MAX_ATTEMPTS,
        counted: bool = True,
        again: bool = False,
        seconds: float | None = None,
    ) -> Held | None:
        """Record that the attempt at a chunk failed; return it with its next attempt, which begins at once, or None.

        Raises:
            ChunkAlreadyCompleted: it did not matter.
        """
        with self._lock:
            held = self._held.get(index)
            reporter_id = self._reporter_id

            def work(connection: sqlite3.Connection) -> int | None:
                nonlocal reporter_id
                self._flush(connection)
                if self._sign is None:
                    reporter_id = self._reporter(connection)
                runner_id = self._runner_id if self._sign is not None else reporter_id
                assert runner_id is not None
                if result_statements.is_complete(connection, self.job_id, index):
                    raise ChunkAlreadyCompleted(self.job_id, index)
                return attempt_statements.fail(
                    connection,
                    self.job_id,
                    index,
                    None if held is None else held.number,
                    runner_id,
                    error=error,
                    seconds=seconds,
                    limit=limit,
                    counted=counted,
                    again=again,
                )

            try:
                number = self._write(work)
            except ChunkAlreadyCompleted:
                self._give_up(index)
                raise
            self._reporter_id = reporter_id
            if number is None or held is None:
                self.settled([index])
                if not self._scopes:
                    self.rest(patiently=True)
                return None
            self._over(held)
            following = Held(Claim(index, number), held.scope)
            following.tries = held.tries + 1
            self._held[index] = following
            return following

    def _reporter(self, connection: sqlite3.Connection) -> int:
        """Return a runner for a failure that is reported by one who has nothing in hand: it has ended already."""
        self.refuse_if_busy(connection, exclusive=False)
        if self._reporter_id is not None and runner_statements.is_runner_of(connection, self._reporter_id, self.job_id):
            return self._reporter_id
        no_file = f"{self._database.path.name}.reporter-{os.urandom(6).hex()}"
        runner_id = runner_statements.add_runner(
            connection, self.job_id, no_file, socket.gethostname(), os.getpid(), exclusive=False
        )
        attempt_statements.end_runner(connection, runner_id, begun=None, counted=False)
        return runner_id

    # -- what is known

    def last_pause(self) -> int:
        """Return the number of the last wish to pause that stands."""
        row = self._database.read_row(*runner_statements.last_pause(self.job_id))
        assert row is not None
        return int(row[0])

    def completed_in(self, start: int, stop: int) -> int:
        """Return how many of these chunks are complete."""
        return self._database.read(
            lambda connection: len(result_statements.completed_in(connection, self.job_id, start, stop))
        )

    def thread_with(self, index: int, runner_id: int) -> int | None:
        """Return the thread of this process whose loop has a chunk in hand; None where it is another process's."""
        claims = _in_this_process.get((str(self._database.path), runner_id))
        held = None if claims is None else claims.held(index)
        return held.scope.thread if held is not None and held.scope.active else None
