"""An exception of the work as a value. So an exception that a future raises is always an error of the executor."""

from __future__ import annotations

import pickle
import sys
import threading
import traceback
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.loop.service.retry_policy import as_work_failed
from checkpoint_store.loop.signals import a_loop_ends_at_once
from checkpoint_store.model.error_text import add_note, notes_of, raised_from, readable, set_field, text_of, unread
from checkpoint_store.system.threads import signal_handlers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.errors import WorkFailed

_CHAIN_LENGTH_MAX: Final = 10
_ELSEWHERE: Final = "It was raised in another process:"
"""How the note begins that has the traceback of an exception."""
_ENDS_A_GENERATOR: Final = (StopIteration, StopAsyncIteration)


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception of the work. From another process it arrives with its causes and its traceback as a note."""

    error: BaseException

    def __reduce__(self) -> tuple[Any, ...]:
        """Send exceptions that cannot be pickled as :class:`WorkFailed`; pickle alone would lose every cause."""
        try:
            chain = tuple(_chain_of(self.error))
            causes = tuple(raised_from(error) is inner for error, inner in pairwise(chain))
            return _arrived, (causes, *map(_sendable, chain))
        except BaseException:  # a property that calls sys.exit() fails its own call only
            return _arrived, ((), unread(self.error))

    def as_failure(self) -> BaseException:
        """Return the exception that the loop treats as the failure of the chunk.

        An exception that would end the generator or the program that raises it again becomes a :class:`WorkFailed`, and
        so does one whose class lets nobody read what stands behind it, as by a property ``__cause__`` that fails.
        """
        error = readable(self.error)
        if not isinstance(error, _ENDS_A_GENERATOR) and not _ends_one_call(error):
            return error
        failure = _as_work_failed(error)
        failure.__cause__ = error
        return failure


def is_cancellation_of_task(error: BaseException) -> bool:
    """Whether somebody cancelled this very task, and not only something that it waited for."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def ends_the_program(error: BaseException) -> bool:
    """Whether an exception that came out of the work asks the whole program to end.

    Signal handlers run in the main thread, so that exceptions of theirs come out of whatever runs there.
    """
    if isinstance(error, Exception) or threading.current_thread() is not threading.main_thread():
        return False
    return not _ends_one_call(error) or a_loop_ends_at_once() or _is_of_a_signal_handler(error)


def _ends_one_call(error: BaseException) -> bool:
    """Whether an exception ends a single call only: a ``sys.exit()``, or the cancellation of a part of the work."""
    asyncio = sys.modules.get("asyncio")  # which takes a while to import; without it there are no cancelled tasks
    return isinstance(error, SystemExit | GeneratorExit) or (
        asyncio is not None and isinstance(error, asyncio.CancelledError)
    )


def _is_of_a_signal_handler(error: BaseException) -> bool:
    """Whether a signal handler of the program raised an exception, as ``lambda *_: sys.exit()`` does."""
    codes = signal_handlers()
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its cause or what was being handled as it was raised, and so on."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and len(seen) < _CHAIN_LENGTH_MAX:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _arrived(causes: tuple[bool, ...], *chain: BaseException) -> Raised:
    """Return the exception with its chain. ``causes``: whether each one was raised from the next, or beside it."""
    for is_cause, (error, inner) in zip(causes, pairwise(chain), strict=True):
        if is_cause:
            set_field(error, "__cause__", inner)
        else:
            set_field(error, "__context__", inner)
    return Raised(chain[0])


def _sendable(error: BaseException) -> BaseException:
    if not _can_be_sent(error):
        return _as_work_failed(error)
    if not any(note.startswith(_ELSEWHERE) for note in notes_of(error)):
        add_note(error, f"{_ELSEWHERE}\n{_trace_of(error)}")
    return error


def _can_be_sent(error: BaseException) -> bool:
    """Whether an exception comes back from pickle with its type and its text."""
    try:
        made = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in the same line
    except BaseException:  # whatever pickling the caller's exception raises: it would be the exception of the call
        return False
    return type(made) is type(error) and text_of(made) == text_of(error)


def _as_work_failed(error: BaseException) -> WorkFailed:
    return as_work_failed(error, text_of(error), _trace_of(error))


def _trace_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, chain=False))
    except Exception:  # it asks the exception for its notes, and that may raise anything
        return "".join(traceback.format_tb(error.__traceback__))
