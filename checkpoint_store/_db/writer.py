"""How a completion becomes durable.

Completions that wait at the same moment share one commit: whoever gets the write lock first takes all that are
waiting, and each caller returns after the commit that holds its own. A lone caller waits for no one.
"""

from __future__ import annotations

import copy
import sqlite3
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store._db import lane
from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store._db.engine import Database


_PATIENCE_SECONDS: Final = 0.05
_MOST_LINGER_SECONDS: Final = 0.005
_MOST_AT_ONCE: Final = 64
"""Completions in one statement; each number of them is a statement of its own to prepare."""

_Change = tuple[str, int, str]
"""A job, how many chunks more it has, and since when."""


class Completion(NamedTuple):
    """One chunk's completion, ready to be written. ``text`` and ``digest`` are None where there is no result."""

    job_id: str
    chunk_index: int
    completed_at: str
    text: str | None
    digest: str | None
    fingerprint: str | None = None
    attempt: int | None = None
    """The number of the attempt that made the result, where the chunk was claimed."""
    seconds: float | None = None
    """How long that took."""
    replace: bool = False


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
        if not at_once or not database.write_at_once(lane.at_once(1), completion[:-1], len(text)):
            database.write_locked(_write_one, completion)
            database.log_grew(len(text))

    def _write(self, batch: Sequence[_Ticket]) -> None:
        """Write all of a batch in one transaction: by one statement, or where that cannot be, step by step."""
        database = self._database
        completions = [completion for ticket in batch for completion in ticket.completions]
        values = _values(completions) if len(completions) <= _MOST_AT_ONCE else None
        size_bytes = sum([len(completion.text or "") for completion in completions])
        if values is None or not database.write_at_once(lane.at_once(len(completions)), values, size_bytes):
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


def _values(completions: Sequence[Completion]) -> list[Any] | None:
    """Return what :func:`lane.at_once` wants of them; None where they are to be written step by step."""
    values: list[Any] = []
    for completion in completions:
        if completion.text is None or completion.replace:
            return None
        values += completion[:-1]
    return values


def _write_one(driver: sqlite3.Connection, completion: Completion) -> None:
    """Write one completion in the open transaction."""
    _count_all(driver, _record_all(driver, [completion]))
    _end_attempts(driver, [completion])


def _write(driver: sqlite3.Connection, batch: Sequence[_Ticket]) -> None:
    """Write every ticket of a batch in the open transaction; one that is refused does not take the others down."""
    if _record_in_bulk(driver, [completion for ticket in batch for completion in ticket.completions]):
        return
    _count_all(driver, [change for ticket in batch for change in _record_ticket(driver, ticket)])
    for ticket in batch:
        if ticket.error is None:
            _end_attempts(driver, ticket.completions)


def _end_attempts(driver: sqlite3.Connection, completions: Sequence[Completion]) -> None:
    for completion in completions:
        if completion.attempt is not None:
            values = lane.END_ATTEMPT.values(
                in_job=completion.job_id,
                at_index=completion.chunk_index,
                attempt=completion.attempt,
                at=completion.completed_at,
                seconds=completion.seconds,
            )
            driver.execute(lane.END_ATTEMPT.text, values)


def _record_ticket(driver: sqlite3.Connection, ticket: _Ticket) -> list[_Change]:
    try:
        if len(ticket.completions) == 1:
            return _record_all(driver, ticket.completions)
        return _record_together(driver, ticket.completions)
    except (ChunkAlreadyCompleted, JobNotFound) as error:
        ticket.error = error
        return []


def _count_all(driver: sqlite3.Connection, news: Sequence[_Change]) -> None:
    added: dict[str, tuple[int, str]] = {}
    for job_id, more, at in news:
        added[job_id] = (added.get(job_id, (0, ""))[0] + more, at)
    for job_id, (more, at) in added.items():
        count(driver, job_id, more, at)


def _record_in_bulk(driver: sqlite3.Connection, completions: Sequence[Completion]) -> bool:
    """Write completions many at a time; False, and nothing written, where one of them needs a closer look."""
    with suppress(sqlite3.IntegrityError), _all_or_none(driver):
        for at in range(0, len(completions), _MOST_AT_ONCE):
            some = completions[at : at + _MOST_AT_ONCE]
            values = _values(some)
            if values is None:
                raise sqlite3.IntegrityError("to be written step by step")
            driver.execute(lane.at_once(len(some)), values)
        return True
    return False


def _record_together(driver: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    with _all_or_none(driver):
        return _record_all(driver, completions)


@contextmanager
def _all_or_none(driver: sqlite3.Connection) -> Iterator[None]:
    """Take back what was written in this block where it ends with an error; the transaction goes on."""
    driver.execute("SAVEPOINT block")
    try:
        yield
    except BaseException:
        if driver.in_transaction:  # after some errors SQLite has rolled back all of it
            driver.execute("ROLLBACK TO block")
        raise
    finally:
        if driver.in_transaction:
            driver.execute("RELEASE block")


def _record_all(driver: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    """Record completions and return (job, 1 if new or 0 if changed, when) of each that did anything."""
    news = []
    for completion in completions:
        more = record(driver, completion)
        if more is not None:
            news.append((completion.job_id, more, completion.completed_at))
    return news


def count(driver: sqlite3.Connection, job_id: str, more: int, at: str) -> None:
    """Tell a job of ``more`` completed chunks; with the last one it is completed."""
    values = {"more": more, "at": at, "in_job": job_id}
    if not driver.execute(lane.COUNT.text, lane.COUNT.values(**values)).rowcount:
        driver.execute(lane.COUNT_LAST.text, lane.COUNT_LAST.values(**values))


def record(driver: sqlite3.Connection, completion: Completion) -> int | None:
    """Write one completion's rows; return 1 for a new one, 0 for a changed one, None where nothing happened."""
    job_id, index, at, text, digest, fingerprint, *_ = completion
    result_id = None
    if text is not None:
        result_id = driver.execute(lane.ADD_RESULT.text, (job_id, index, text, digest)).lastrowid
    try:
        done = driver.execute(lane.COMPLETE.text, (job_id, index, at, fingerprint, digest, result_id))
    except sqlite3.IntegrityError as error:
        _remove(driver, result_id)
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise JobNotFound(job_id, "the store (it was deleted)") from error
        raise
    return 1 if done.rowcount else _record_again(driver, completion, result_id)


def _record_again(driver: sqlite3.Connection, completion: Completion, result_id: int | None) -> int | None:
    """The chunk is complete already: the same result changes nothing, another one has to be asked for."""
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index}
    present, present_id = driver.execute(lane.PRESENT.text, lane.PRESENT.values(**here)).fetchone()
    if completion.digest in (None, present):
        _remove(driver, result_id)
        return None
    if present is not None and not completion.replace:
        _remove(driver, result_id)
        raise ChunkAlreadyCompleted(completion.job_id, completion.chunk_index)
    _remove(driver, present_id)
    values = lane.SET_RESULT.values(
        at=completion.completed_at,
        new_fingerprint=completion.fingerprint,
        new_digest=completion.digest,
        new_id=result_id,
        **here,
    )
    driver.execute(lane.SET_RESULT.text, values)
    return 0


def _remove(driver: sqlite3.Connection, result_id: int | None) -> None:
    if result_id is not None:
        driver.execute(lane.REMOVE_RESULT.text, (result_id,))
