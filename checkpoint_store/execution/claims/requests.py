"""What others ask of the holder of a job: pauses, and redo marks on its chunks."""

from __future__ import annotations

import _thread
import atexit
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log
from checkpoint_store.system.threads import handler_interrupts, innermost_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.storage.verbs.redos import MarkVerbs


_PACKAGE: Final = __name__.partition(".")[0]
_WITH_LOCKS: Final = tuple(f"{_PACKAGE}.{room}." for room in ("execution", "storage", "state_file", "loop", "system"))
"""The rooms whose functions may hold a lock."""
_CALLS_WORK: Final = f"{_PACKAGE}.loop.executors."
"""Its functions call the work of the caller, and hold no lock that a pause needs."""


def must_queue_pause() -> bool:
    """Whether this thread is in the middle of a call of the library, which may hold a lock that a pause needs.

    The work on a chunk does not count. Three frames are left out: this function, and the two that ask for the pause.
    """
    module = innermost_module(_WITH_LOCKS, callers=3)
    return module is not None and not module.startswith(_CALLS_WORK)


def handler_interrupts_library() -> bool:
    """Whether this is called by a signal handler in the middle of a call of the library, which may hold a lock."""
    return handler_interrupts(_WITH_LOCKS)


class QueuedPauses(ForkAware):
    """The pauses of one store that are not recorded yet. Safe in a signal handler, and to share between threads.

    Other changes of a status that a signal handler asks for in the middle of a call wait here, too.
    """

    def __init__(self) -> None:
        self._asked: Final[dict[str, int]] = {}
        """How many pauses were queued, by job id."""
        self._has_exit_hook = False
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the pauses are recorded by the parent."""
        self._waiting: deque[Callable[[], None]] = deque()
        """The calls that record the pauses. A call is taken out once it has ended."""
        self._recording = threading.RLock()

    def asked(self, job_id: str) -> int:
        """Return how many pauses of a job were queued in this process. No lock is taken."""
        return self._asked.get(job_id, 0)

    def add(self, job_id: str, record: Callable[[], None], *, is_pause: bool) -> None:
        """Queue a change of a job, and wait for nothing. ``record`` makes it durable. A pause ends the job's loops."""
        self._asked[job_id] = self.asked(job_id) + is_pause
        self._waiting.append(record)
        if not self._has_exit_hook:
            self._has_exit_hook = True
            atexit.register(self.record)
        # Thread.start() waits for a lock that the interrupted code may hold. This call waits for nothing.
        with suppress(RuntimeError):  # the system starts no thread: the next loop, or the close, records the pause
            _thread.start_new_thread(self.record, ())

    def record_before(self) -> None:
        """Record the queued pauses before a call that came later. A handler records none: its thread may be at that."""
        if self._waiting and not handler_interrupts_library():
            self.record()

    def record(self) -> None:
        """Record the queued pauses; durable when this returns. The caller holds no lock. Errors are logged."""
        if not self._waiting:
            return
        with self._recording:
            while True:  # no `while condition`: an interrupt at its jump would skip the end (python/cpython#130279)
                if not self._waiting:
                    break
                try:
                    self._waiting[0]()
                except CheckpointStoreError as error:
                    log.warning("a pause or a status that a signal handler asked for was not recorded: %s", error)
                self._waiting.popleft()


class KnownPauses:
    """The last pause that the holder of a job knows of: it was asked for before the opening, or it ended a loop.

    A pause that is asked for after the opening of a job, and before its loop begins, ends the loop at once. The caller
    knows of the pause then: a loop that begins later is not ended by it.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None
        """The number of the last known pause. None: each pause is known that was asked for before a loop began."""

    def covers(self, pause: int, known_at_call: int | None = None) -> bool:
        """Whether a pause was known to the caller who begins a loop, so that it does not end that loop.

        ``known_at_call``: the last known pause when the loop was asked for; None: :attr:`last` as it is.
        """
        known = self.last if known_at_call is None else known_at_call
        return known is None or pause <= known


_OTHER_WORK_FACTOR: Final = 20
"""After a look at the marks, do something else for this many times as long: a look reads every mark of the job."""


class RedoMarks:
    """The redo marks of a job for one loop. Any process may set them."""

    def __init__(self, marks: MarkVerbs, job_id: str) -> None:
        self._marks, self._job_id = marks, job_id
        self._seen = marks.all_of(job_id)
        """The marks that the loop knows of: those it began with, and those that :meth:`new` has returned."""
        self._due_at = 0.0
        """When to look for new marks, on the monotonic clock."""

    @property
    def are_due(self) -> bool:
        """Whether it is time to look for new marks while other chunks are left to claim."""
        return time.monotonic() >= self._due_at

    def new(self) -> list[int]:
        """Return the chunks that got a mark since the last call, ascending; the first call: since the loop began."""
        began = time.monotonic()
        marks = self._marks.all_of(self._job_id)
        new, self._seen = marks - self._seen, marks
        indices = sorted(mark.chunk_index for mark in new)
        moment = time.monotonic()
        self._due_at = moment + _OTHER_WORK_FACTOR * (moment - began)
        return indices

    def first_below(self, index: int) -> int:
        """Return the lowest chunk below ``index`` that has a mark; ``index`` if no chunk below it has one."""
        first = self._marks.first(self._job_id)
        return index if first is None else min(first, index)
