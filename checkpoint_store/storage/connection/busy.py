"""Wait with a call while another process writes to the file."""

from __future__ import annotations

import random
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from checkpoint_store.storage.connection.errors import is_busy, release_statements
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.log import LOG_WAIT_AFTER_SECONDS, log_wait
from checkpoint_store.system.processes import lock_holders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_BUSY_WAIT_SECONDS_MIN: Final = 0.00025
_BUSY_WAIT_SECONDS_MAX: Final = 0.004
"""The longest wait between two tries, for the first ``_TRIES_IN_HASTE`` tries."""
_GROWN_WAIT_SECONDS_MAX: Final = 0.04
_TRIES_IN_HASTE: Final = 16
_SHARED_WRITES: Final = 16
"""For this many writes after it met another writer, a process leaves the file free in between."""
_WAITED: Final = "waited_seconds"
"""The attribute of an error of SQLite that says how long :func:`patiently` waited before it raised the error."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Turns:
    """The statements of a connection that writes. Writing processes take turns: not one of them writes all the time.

    A process that writes again at once is nearly always faster than the processes that wait in steps: on a slow disk,
    the file is free for some hundredths of the time. So a process that met another writer leaves the file free before
    its next writes, for as long as its last write took. A write that took no longer than a first step of a waiting
    process leaves enough time between two writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shared_writes = 0
        """Before how many further writes the file is left free."""
        self._began_at = self._next_at = 0.0
        """When the last write began, and when the next write may begin, on the monotonic clock."""

    def execute(
        self, connection: sqlite3.Connection, statement: str, values: Sequence[Any], *, patience_seconds: float
    ) -> int:
        """Execute a statement :func:`patiently`, and return how many rows it changed, triggers included.

        While nobody else writes, the first try calls no further function: a completion in a hot loop feels each.
        """
        if not self._shared_writes:
            changes_before = connection.total_changes
            try:
                connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                release_statements(error)
            else:
                return connection.total_changes - changes_before
            self._shared_writes = _SHARED_WRITES
            self._began_at = time.monotonic()  # of a commit that meets a reader, the beginning is not known
        elif not connection.in_transaction and (left_seconds := self._next_at - time.monotonic()) > 0:
            time.sleep(left_seconds)
        return patiently(
            self._changed_by, connection, statement, values, path=self._path, patience_seconds=patience_seconds
        )

    def _changed_by(self, connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
        if not connection.in_transaction:
            self._began_at = time.monotonic()
        changes_before = connection.total_changes  # rows that an earlier try changed in vain do not count
        try:
            connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if is_busy(error):
                self._shared_writes = _SHARED_WRITES
            raise
        if not connection.in_transaction:
            self._shared_writes -= 1
            ended_at = time.monotonic()
            seconds = min(ended_at - self._began_at, _GROWN_WAIT_SECONDS_MAX)
            self._next_at = ended_at + seconds if seconds > _BUSY_WAIT_SECONDS_MAX else 0.0
        return connection.total_changes - changes_before


def patiently(call: Callable[[*Ts], T], *arguments: *Ts, path: Path, patience_seconds: float) -> T:
    """Make a call to SQLite; while another process holds the lock, make it again in short jittered steps.

    SQLite's own busy handler starves some processes. A hundred processes that try often take the processor from the
    process that writes, so the steps grow. ``path`` is the file of the connection, for the log: where another process
    keeps readers out, too, SQLite would not tell it.
    """
    began, attempts, is_logged = None, 0, False
    while True:
        try:
            return call(*arguments)
        except sqlite3.OperationalError as error:
            moment = time.monotonic()
            began = moment if began is None else began
            if not is_busy(error) or moment - began >= patience_seconds:
                setattr(error, _WAITED, patience_seconds)
                raise
            release_statements(error)
        if not is_logged and moment - began >= LOG_WAIT_AFTER_SECONDS:
            is_logged = True
            holder = lock_holders([path, StoreFiles(path).shm]).holder.rstrip(",")
            log_wait(path, f"locked by {holder}", patience_seconds)
        attempts += 1
        longest = min(_BUSY_WAIT_SECONDS_MAX * max(1.0, attempts / _TRIES_IN_HASTE), _GROWN_WAIT_SECONDS_MAX)
        time.sleep(random.uniform(_BUSY_WAIT_SECONDS_MIN, longest))  # noqa: S311 - jitter, no secret


def waited_seconds(error: BaseException) -> float:
    """Return the patience that ended with ``error``; 0.0 if no call waited for the lock."""
    return float(getattr(error, _WAITED, 0.0))
