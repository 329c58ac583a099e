"""The group commit, which makes completions durable: callers that come at the same time share one commit.

1. **Queue.** Each caller puts a ticket with its completions into the queue. The caller that gets the leader lock is the
   leader. Any other caller is a follower, and sleeps until its wake-up. A lone caller takes no ticket: it writes its
   completion in a transaction of its own.
2. **Gather.** The leader takes the lock of the writer connection. If the last batch had more than one caller, it waits
   until half as many are in the queue, at most for half of the time of a commit. A lone caller waits for no one.
3. **Commit.** The leader takes every ticket from the queue as one batch, and writes the batch in one transaction: by a
   single statement if each completion is new, otherwise step by step. A completion that is refused raises an error in
   its own caller only.
4. **Hand over.** The leader wakes the first ticket that came meanwhile: its caller leads next, while the followers of
   this batch are still waking up. If no ticket came, the leader frees the leader lock.
5. **Wake.** The leader wakes the first follower of its batch, and each follower wakes the next waiter, so that they do
   not all stand in line for the GIL with the next leader behind them. Each returns after the commit that holds its own
   completions.

Correctness rests on the lock of the writer connection alone. If an interrupt ends a leader, a wake-up may be lost: the
follower wakes by itself after ``_PATIENCE_SECONDS``, finds its ticket not done, and commits it.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, ChunkOutOfOrder, JobNotFound
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.statements.attempts import in_vain
from checkpoint_store.storage.statements.completions import (
    Change,
    all_or_none,
    count_all,
    fast_insert_in_order,
    fast_insert_of,
    record_all,
    record_in_bulk,
    write_one,
)
from checkpoint_store.storage.statements.job_rows import note_if_completed
from checkpoint_store.storage.statements.order import require_order
from checkpoint_store.system.file_lock import refuse_inner_call
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.records import Completion, NextClaim


_COMPLETION_VALUES: Final = len(compiled.COMPLETION)
_PATIENCE_SECONDS: Final = 0.05
"""A follower sleeps at most this long before it looks for itself."""
_GATHER_SECONDS_MAX: Final = 0.005


class _Ticket:
    """The ticket that one caller waits for. It is done when its completions are durable, or refused."""

    __slots__ = ("completions", "done", "error", "next_waiter", "wake_up")

    def __init__(self, completions: Sequence[Completion]) -> None:
        self.completions = completions
        self.done = False
        self.error: BaseException | None = None
        self.wake_up = threading.Lock()
        """Free once the caller has to look again: the ticket is done, or the caller is the next leader."""
        self.wake_up.acquire()
        self.next_waiter: _Ticket | None = None
        """The ticket of the same batch whose caller is woken by the caller of this ticket."""


class Writer(ForkAware):
    """Writes completions of any job of one store; safe to call from any number of threads."""

    def __init__(self, database: Database) -> None:
        self._connection = database.writer
        self._completed_jobs: set[str] | None = None
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: begin with an empty queue. The threads that wait exist in the parent only."""
        self._queue: deque[_Ticket] = deque()
        self._leader_lock = threading.Lock()
        """Held by the leader; handed over, without being freed, to the first ticket of the queue."""
        self._batch_gathered = threading.Lock()
        """Free once as many tickets are in the queue as the leader waits for."""
        self._batch_gathered.acquire()
        self._batch_wanted = 0
        self.last_batch = 1
        """The number of callers that came at the same time as the last one."""
        self._last_seconds = 0.0

    def follow_completed_jobs(self) -> set[str]:
        """Return the jobs that commits complete from now on. The caller removes a job once it has acted on it.

        Check each: a transaction that was rolled back may have left its job.
        """
        if self._completed_jobs is None:
            self._completed_jobs = set()
        return self._completed_jobs

    def _keep_noted_jobs(self) -> None:
        """Keep the jobs that the last commit completed. For the thread that holds the lock of the connection."""
        if self._completed_jobs is not None:
            self._completed_jobs.update(self._connection.noted_jobs)
        self._connection.noted_jobs.clear()

    def submit(self, completions: Sequence[Completion], next_claim: NextClaim | None = None) -> bool:
        """Write ``completions`` (all or none of them) and return once they are durable.

        After an interrupt it is unknown whether they were written; submitting them again is always safe.

        Returns:
            Whether ``next_claim`` was made in the same transaction. It is made only for a lone completion that is new,
            and only where the chunk is neither complete nor was ever tried.
        """
        refuse_inner_call(self._connection.lock, self._connection.file.path)
        leads = self._leader_lock.acquire(blocking=False)
        if not leads or self.last_batch > 1 or len(completions) > 1 or self._queue:
            self._submit_with_others(completions, leads=leads)
            return False
        try:
            with self._connection.lock:
                return self._write_alone(completions[0], next_claim)
        finally:
            _free(self._leader_lock)
            if self._queue:  # a caller came meanwhile, and met a leader
                self.last_batch += len(self._queue)
                if self._leader_lock.acquire(blocking=False):
                    self._hand_over()

    def _submit_with_others(self, completions: Sequence[Completion], *, leads: bool) -> None:
        """:meth:`submit` where other callers do the same, or have just done it."""
        ticket = _Ticket(completions)
        self._queue.append(ticket)
        try:
            # The leader takes this ticket along, or hands over to it.
            if not leads and not self._leader_lock.acquire(blocking=False):
                if len(self._queue) >= self._batch_wanted > 0:
                    _free(self._batch_gathered)
                ticket.wake_up.acquire(timeout=_PATIENCE_SECONDS)
            if not ticket.done:
                self._commit_as_leader(ticket)
        except BaseException:
            if ticket in self._queue:
                self._queue.remove(ticket)
                self._hand_over()
            raise
        finally:
            if ticket.next_waiter is not None:
                _free(ticket.next_waiter.wake_up)
        if ticket.error is not None:
            raise ticket.error

    def _commit_as_leader(self, own: _Ticket) -> None:
        """Commit every ticket of the queue, this caller's own included, and hand over."""
        try:
            with self._connection.lock:
                if not own.done:
                    self._gather()
                    self._commit(self._take_batch(own))
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        """Stop leading: the caller of the first ticket in the queue leads now, or the next caller."""
        while True:
            if self._queue:
                with suppress(IndexError):
                    _free(self._queue[0].wake_up)
                    return
            _free(self._leader_lock)
            # A caller may have come just now, and have met a leader.
            if not self._queue or not self._leader_lock.acquire(blocking=False):
                return

    def _gather(self) -> None:
        """Wait for half as many callers as came last time, at most for half of the time of a commit.

        The other half gets ready while this batch is committed: the GIL lets one thread run at a time.
        """
        if self.last_batch == 1:
            return
        self._batch_gathered.acquire(blocking=False)
        self._batch_wanted = self.last_batch // 2
        if len(self._queue) < self._batch_wanted:
            self._batch_gathered.acquire(timeout=min(self._last_seconds / 2, _GATHER_SECONDS_MAX))
        self._batch_wanted = 0

    def _commit(self, batch: Sequence[_Ticket]) -> None:
        started = time.perf_counter()
        try:
            self._write(batch)
        except CheckpointStoreError as error:
            for ticket in batch:
                ticket.error = copy.copy(error)
                ticket.error.__cause__ = error.__cause__
        # Anything else (an interrupt) is this caller's alone: the others find themselves not done, and lead.
        for ticket in batch:
            ticket.done = True
        # Those who came while this was being committed will come again, too.
        self.last_batch = len(batch) + len(self._queue)
        self._last_seconds = time.perf_counter() - started

    def _write_alone(self, completion: Completion, next_claim: NextClaim | None) -> bool:
        """Write one completion in a transaction of its own, and return whether the next chunk was claimed in it.

        Most completions are written here: each further call would show in the benchmark.
        """
        connection, text = self._connection, completion.text or ""
        if text and not completion.replace:
            if completion.in_order:
                has_claimed = connection.fast_insert(*fast_insert_in_order(completion, next_claim), len(text))
            elif next_claim is None:
                has_claimed = connection.fast_insert(
                    compiled.fast_insert(1), completion[:_COMPLETION_VALUES], len(text)
                )
            else:
                values = completion[:_COMPLETION_VALUES] + next_claim
                has_claimed = connection.fast_insert(compiled.FAST_INSERT_AND_CLAIM, values, len(text))
            if has_claimed is not None:
                if connection.noted_jobs:
                    self._keep_noted_jobs()
                return has_claimed
        connection.write_locked(write_one, completion)
        self._keep_noted_jobs()
        connection.checkpoint.grew(len(text), connection.connection)
        return False

    def _write(self, batch: Sequence[_Ticket]) -> None:
        """Write a batch in one transaction: by one statement if possible, otherwise step by step."""
        connection = self._connection
        completions = [completion for ticket in batch for completion in ticket.completions]
        insert = fast_insert_of(completions)
        size_bytes = sum([len(completion.text or "") for completion in completions])
        if insert is None or connection.fast_insert(*insert, size_bytes) is None:
            connection.write_locked(_write, batch)
            connection.checkpoint.grew(size_bytes, connection.connection)
        self._keep_noted_jobs()

    def _take_batch(self, own: _Ticket) -> list[_Ticket]:
        """Return every ticket of the queue, this caller's own first."""
        batch = [own]
        while self._queue:
            ticket = self._queue.popleft()
            if ticket is not own:  # an interrupted leader may have taken it from the queue
                batch.append(ticket)
        for ticket, next_waiter in zip_longest(batch, batch[1:]):
            ticket.error, ticket.next_waiter = None, next_waiter
        return batch


def _free(lock: threading.Lock) -> None:
    try:  # noqa: SIM105 - on the way of every completion, and suppress() takes five times as long
        lock.release()
    except RuntimeError:  # it is free already
        pass


def _write(connection: sqlite3.Connection, batch: Sequence[_Ticket]) -> None:
    """Write every ticket of a batch in the open transaction. A refused ticket does not fail the others."""
    batch = [ticket for ticket in batch if _is_in_order(connection, ticket)]
    if record_in_bulk(connection, [completion for ticket in batch for completion in ticket.completions]):
        return
    count_all(connection, [change for ticket in batch for change in _record_ticket(connection, ticket)])
    for ticket in batch:
        if ticket.error is None:
            in_vain.end_attempts(connection, ticket.completions)
    for job_id in {completion.job_id for ticket in batch for completion in ticket.completions}:
        note_if_completed(connection, job_id)


def _is_in_order(connection: sqlite3.Connection, ticket: _Ticket) -> bool:
    """Whether a ticket's completions come in the order that their job needs; note the error if they do not."""
    try:
        if ticket.completions[0].in_order:  # a ticket is of one job
            require_order(connection, ticket.completions)
    except (ChunkOutOfOrder, JobNotFound) as error:
        ticket.error = error
        return False
    return True


def _record_ticket(connection: sqlite3.Connection, ticket: _Ticket) -> list[Change]:
    try:
        if len(ticket.completions) == 1:
            return record_all(connection, ticket.completions)
        with all_or_none(connection):
            return record_all(connection, ticket.completions)
    except (ChunkAlreadyCompleted, JobNotFound) as error:
        ticket.error = error
        return []
