"""How a completion becomes durable.

Completions that wait at the same moment share one commit: whoever gets the write lock first takes all that are
waiting, and each caller returns after the commit that holds its own. A lone caller waits for no one.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.statements.completions import (
    _MOST_AT_ONCE,
    _Change,
    _count_all,
    _end_attempts,
    _record_all,
    _record_in_bulk,
    _record_together,
    _values,
    _write_one,
)
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records import Completion


_PATIENCE_SECONDS: Final = 0.05
_MOST_LINGER_SECONDS: Final = 0.005


class _Ticket:
    """What one caller waits for. It is done when its completions are durable, or refused."""

    __slots__ = ("completions", "done", "error", "gate", "successor")

    def __init__(self, completions: Sequence[Completion]) -> None:
        self.completions = completions
        self.done = False
        self.error: BaseException | None = None
        self.gate = threading.Lock()
        """Free once its caller should look again: it is done, or it is its turn to lead."""
        self.gate.acquire()
        self.successor: _Ticket | None = None
        """Whose caller is woken by this one's: all at once they would stand in line for Python's lock, and the next
        leader behind them."""


class Writer(ForkAware):
    """Writes completions of any job of one store; safe to call from any number of threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the parent's tickets are the parent's."""
        self._waiting: deque[_Ticket] = deque()
        self._lead = threading.Lock()
        """Held by whoever leads; handed, without being freed, to the first of those who wait."""
        self._company = threading.Lock()
        """Free once as many are waiting as the leader wants."""
        self._company.acquire()
        self._wanted = 0
        self.last_batch = 1
        """How many callers came at the same time, last time."""
        self._last_seconds = 0.0

    def submit(self, completions: Sequence[Completion]) -> None:
        """Write ``completions`` (all or none of them) and return once they are durable.

        Interrupted, it is unknown whether they were written; submitting them again is always safe.

        Raises:
            ChunkAlreadyCompleted: a chunk is complete with another result, and ``replace`` is not set.
            JobNotFound: the job was deleted meanwhile.
        """
        leads = self._lead.acquire(blocking=False)
        if not leads or self.last_batch > 1 or len(completions) > 1 or self._waiting:
            self._submit_in_company(completions, leads=leads)
            return
        try:
            with self._database.write_lock:
                self._write_alone(completions[0])
        finally:
            _open(self._lead)
            if self._waiting:  # one came meanwhile, and found that someone leads
                self.last_batch += len(self._waiting)
                if self._lead.acquire(blocking=False):
                    self._pass_on()

    def _submit_in_company(self, completions: Sequence[Completion], *, leads: bool) -> None:
        """:meth:`submit` where others do the same, or have just done it."""
        ticket = _Ticket(completions)
        self._waiting.append(ticket)
        try:
            # Whoever leads takes this ticket along, or hands it the lead. Should an interrupt have cut that short, the
            # wait ends by itself: correctness rests on the write lock alone.
            if not leads and not self._lead.acquire(blocking=False):
                if len(self._waiting) >= self._wanted > 0:
                    _open(self._company)
                ticket.gate.acquire(timeout=_PATIENCE_SECONDS)
            if not ticket.done:
                self._commit_with(ticket)
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._pass_on()
            raise
        finally:
            if ticket.successor is not None:
                _open(ticket.successor.gate)
        if ticket.error is not None:
            raise ticket.error

    def _commit_with(self, own: _Ticket) -> None:
        """Commit all that is waiting, this caller's own included."""
        try:
            with self._database.write_lock:
                if not own.done:
                    self._wait_for_company()
                    self._commit(self._take(own))
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Lead no longer: the first of those who wait does now, or whoever comes next."""
        while True:
            if self._waiting:
                with suppress(IndexError):
                    _open(self._waiting[0].gate)
                    return
            _open(self._lead)
            # One may have come just now, and have found that someone leads.
            if not self._waiting or not self._lead.acquire(blocking=False):
                return

    def _wait_for_company(self) -> None:
        """Wait for half as many as came last time, for up to half of what a commit takes; a lone caller for no one.

        The other half gets ready while this one is committed: Python lets one thread do so at a time.
        """
        if self.last_batch == 1:
            return
        self._company.acquire(blocking=False)
        self._wanted = self.last_batch // 2
        if len(self._waiting) < self._wanted:
            self._company.acquire(timeout=min(self._last_seconds / 2, _MOST_LINGER_SECONDS))
        self._wanted = 0

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
        self.last_batch = len(batch) + len(self._waiting)
        self._last_seconds = time.perf_counter() - started

    def _write_alone(self, completion: Completion) -> None:
        """Write one completion in a transaction of its own. Most are: each call more would be seen in the benchmark."""
        database, text = self._database, completion.text or ""
        at_once = text and not completion.replace
        if not at_once or not database.write_at_once(compiled.at_once(1), completion[:-1], len(text)):
            database.write_locked(_write_one, completion)
            database.log_grew(len(text))

    def _write(self, batch: Sequence[_Ticket]) -> None:
        """Write all of a batch in one transaction: by one statement, or where that cannot be, step by step."""
        database = self._database
        completions = [completion for ticket in batch for completion in ticket.completions]
        values = _values(completions) if len(completions) <= _MOST_AT_ONCE else None
        size_bytes = sum([len(completion.text or "") for completion in completions])
        if values is None or not database.write_at_once(compiled.at_once(len(completions)), values, size_bytes):
            database.write_locked(_write, batch)
            database.log_grew(size_bytes)

    def _take(self, own: _Ticket) -> list[_Ticket]:
        """Return what is waiting, this caller's own first."""
        batch = [own]
        while self._waiting:
            ticket = self._waiting.popleft()
            if ticket is not own:  # which is not there where it was taken by a leader that was interrupted
                batch.append(ticket)
        for ticket, successor in zip_longest(batch, batch[1:]):
            ticket.error, ticket.successor = None, successor
        return batch


def _open(gate: threading.Lock) -> None:
    try:  # noqa: SIM105 - on the way of every checkpoint, and suppress() takes five times as long
        gate.release()
    except RuntimeError:  # open already
        pass


def _write(driver: sqlite3.Connection, batch: Sequence[_Ticket]) -> None:
    """Write every ticket of a batch in the open transaction; one that is refused does not take the others down."""
    if _record_in_bulk(driver, [completion for ticket in batch for completion in ticket.completions]):
        return
    _count_all(driver, [change for ticket in batch for change in _record_ticket(driver, ticket)])
    for ticket in batch:
        if ticket.error is None:
            _end_attempts(driver, ticket.completions)


def _record_ticket(driver: sqlite3.Connection, ticket: _Ticket) -> list[_Change]:
    try:
        if len(ticket.completions) == 1:
            return _record_all(driver, ticket.completions)
        return _record_together(driver, ticket.completions)
    except (ChunkAlreadyCompleted, JobNotFound) as error:
        ticket.error = error
        return []
