"""The current attempt: the function that works on a chunk reads its number and key, for a log line or a service."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from checkpoint_store.model.codec.digest import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


NO_RESULT_TEXT: Final = "its process ended before it gave a result"
"""The error of an attempt that failed its chunk and reported none."""


class AttemptOutcome(StrEnum):
    """The outcome of an attempt. A member equals its own text."""

    RUNNING = "running"
    """It was claimed, and has not ended."""
    COMPLETED = "completed"
    """It gave the result of its chunk."""
    FAILED = "failed"
    """It ended with an error."""
    ABANDONED = "abandoned"
    """It never ended: its process died, or gave it up. Its chunk is in doubt, unless it was completed later."""


class MadeFrom(NamedTuple):
    """What the work of one try was given. Its result is recorded as made from this, whatever a later try is given."""

    fingerprint: str | None = None
    """The fingerprint of the chunk when the try got its data; None for a chunk that is not at hand."""
    previous_digest: str | None = None
    """In a sequential job, the digest of the result of the chunk before; an empty text if that has no result; None if
    nobody looked."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one chunk."""

    job_id: str
    chunk_index: int
    """0-based."""
    number: int
    """1 for the first try at this chunk, by whichever runner."""
    attempt_key: str
    """The same for every try at this chunk: an idempotency key, for an API that takes one."""
    previous: Any = field(default=None, compare=False, repr=False)
    """In a sequential job, the result of the chunk before this one, as JSON data; None for the first chunk."""
    handle: str | None = field(default=None, compare=False)
    """What a service calls the work that it holds for this chunk, as an earlier try or this one recorded; or None."""
    key: str | int | None = field(default=None, compare=False)
    """What the caller calls the chunk (a file name, a page), if the job was opened with a mapping; or None."""
    _recorder: Callable[[str | None], None] | None = field(default=None, compare=False, repr=False)
    made_from: MadeFrom | None = field(default=None, compare=False, repr=False)
    """What the work of this try was given; None for a try that was made by no loop."""

    def record_handle(self, handle: str | None) -> None:
        """Record what a service calls the work that it holds for this chunk, such as a batch's id; durable on return.

        Every later try of the chunk finds it as ``handle``, and asks for the result instead of paying again. A worker
        process of this machine may call this, too: it opens the store.

        Args:
            handle: text of 1 to 4,096 characters; None clears the handle.

        Raises:
            InvalidArgumentError: it is no such text; the error names chunk and value.
            StorageUnavailableError: the store's file is not there, as on another machine.
            LookupError: this try was made by no loop.
        """
        if self._recorder is None:
            raise LookupError("record_handle() is for a try that a loop began")
        self._recorder(handle)
        object.__setattr__(self, "handle", handle)  # what the store has now


_AtWork: TypeAlias = "tuple[Attempt, _AtWork | None]"
"""A current attempt, and the attempt whose work it is a part of; None for the latter if it is no part of other work."""
_current: ContextVar[_AtWork | None] = ContextVar("checkpoint_store.model.attempt", default=None)
_at_work: Final[dict[int, tuple[_AtWork, ...]]] = {}
"""The chunks that each thread works on: nested ones, or tasks of its event loop. By thread identifier."""


def jobs_worked_on_here() -> frozenset[str]:
    """Return the jobs on whose chunks this task works: a loop may run inside of the work of another loop."""
    return frozenset(_jobs_of(_current.get()))


def _jobs_of(at_work: _AtWork | None) -> Iterator[str]:
    while at_work is not None:
        attempt, at_work = at_work
        yield attempt.job_id


def attempt_worked_on_here(job_id: str) -> tuple[int, int] | None:
    """Return the attempt at a chunk of this job that this task works on, by index and number; None without one."""
    at_work = _current.get()
    while at_work is not None:
        attempt, at_work = at_work
        if attempt.job_id == job_id:
            return attempt.chunk_index, attempt.number
    return None


def threads_at_work(jobs: Collection[str] | None = None) -> set[int]:
    """Return the identifiers of the threads of this process that work on a chunk, of these jobs only if they are given.

    The work on a chunk of another loop that runs inside of the work on a chunk is a part of that work.
    """
    if jobs is None:
        return set(_at_work)
    return {
        thread
        for thread, works in _at_work.copy().items()
        if any(job in jobs for work in works for job in _jobs_of(work))
    }


def current_attempt() -> Attempt:
    """Return the current attempt. Call it in the function that ``map`` calls, in whichever thread or process.

    Raises:
        LookupError: no function that ``map`` called is running here.
    """
    at_work = _current.get()
    if at_work is None:
        raise LookupError(
            "current_attempt() works only inside the function that map() calls; a loop over pending() has chunk.attempt"
        )
    attempt, _ = at_work
    return attempt


def call_as(attempt: Attempt, fn: Callable[[Any], Any], chunk: Any) -> Any:
    """Call a function with a chunk, and let :func:`current_attempt` return the attempt in it.

    The ``finally`` blocks call no function of Python before the attempt is taken back: an interrupt may come whenever a
    function begins, and would leave this thread at work for ever.
    """
    outer, thread = _current.get(), threading.get_ident()
    works = _at_work.get(thread, ())
    work = (attempt, outer)
    try:
        try:
            _current.set(work)
            _at_work[thread] = (*works, work)
            return fn(chunk)
        finally:
            _current.set(outer)
    finally:
        if works:
            _at_work[thread] = works
        else:
            _at_work.pop(thread, None)


class CurrentAttempt:
    """Let :func:`current_attempt` return an attempt in this block of a coroutine."""

    __slots__ = ("_attempt", "_thread", "_token", "_work")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __enter__(self) -> None:
        self._work = (self._attempt, _current.get())
        self._token = _current.set(self._work)
        self._thread = threading.get_ident()
        _at_work[self._thread] = (*_at_work.get(self._thread, ()), self._work)

    def __exit__(self, *_: object) -> None:
        works = tuple(work for work in _at_work[self._thread] if work is not self._work)
        if works:
            _at_work[self._thread] = works
        else:
            del _at_work[self._thread]
        with suppress(ValueError):  # a coroutine that the garbage collector closes runs in another context
            _current.reset(self._token)


def attempt_key(job_id: str, chunk_index: int, fingerprint: str | None) -> str:
    """Return 32 hexadecimal digits that name a job's chunk with this content."""
    return sha256_of(f"{job_id}\n{chunk_index}\n{fingerprint or ''}".encode())[:32]
