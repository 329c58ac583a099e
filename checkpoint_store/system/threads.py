"""The call stack of this thread, and the turn of other threads during long work."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType, FrameType


def innermost_module(packages: tuple[str, ...], *, callers: int) -> str | None:
    """Return the module under one of these packages that was called last on the stack of this thread, or None.

    Each name of a package has a dot behind it. ``callers``: how many frames to leave out, from the caller of this
    function on.
    """
    modules = map(_module_of, stack(sys._getframe(callers + 1)))
    return next((module for module in modules if module.startswith(packages)), None)


def is_in_signal_handler() -> bool:
    """Whether a signal handler of the program, written in Python, is on the stack of this thread."""
    handlers = signal_handlers()
    return any(frame.f_code in handlers for frame in stack(sys._getframe(1)))


def handler_interrupts(packages: tuple[str, ...]) -> bool:
    """Whether a signal handler is on the stack of this thread, and interrupted a function of these packages."""
    handlers = signal_handlers()
    frames = stack(sys._getframe(1))
    return any(frame.f_code in handlers for frame in frames) and any(
        _module_of(frame).startswith(packages)
        for frame in frames  # the frames below the handler: the first any() has taken the others out
    )


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame, and the frames below it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module_of(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__")
    return module if isinstance(module, str) else ""


def signal_handlers() -> set[CodeType]:
    """Return the code of each signal handler of the program that is written in Python."""
    return set(filter(None, map(_code_of, map(signal.getsignal, signal.valid_signals()))))


def _code_of(handler: Any) -> CodeType | None:
    """Return the code of a signal handler: a function, a method, a partial, or an object with ``__call__``."""
    while isinstance(handler, partial):
        handler = handler.func
    for function in (handler, getattr(handler, "__func__", None), vars(type(handler)).get("__call__")):
        code: CodeType | None = getattr(function, "__code__", None)
        if code is not None:
            return code
    return None


T = TypeVar("T")

_TURN_PAUSE_SECONDS: Final = 0.0002
"""A short call of another thread ends in this time. A thread that merely releases the GIL takes it again before another
thread has woken up; the other thread then waits for five milliseconds, each time that its call releases the GIL."""
_WORK_SECONDS: Final = 0.0002
"""Sleep once the work since the last sleep took this long: a sleep after each of many small items would take longer
than the work."""


def giving_turns(items: Iterable[T]) -> Iterator[T]:
    """Yield the items. If the process has other threads, sleep for a moment before an item every 0.2 milliseconds."""
    began_at = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began_at >= _WORK_SECONDS:
            if threading.active_count() > 1:
                time.sleep(_TURN_PAUSE_SECONDS)
            began_at = time.monotonic()


def has_main_thread_ended() -> bool:
    """Whether the main thread has ended, or waits for other threads at the end of the interpreter: pools come first."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    at_the_end: Any = vars(threading)["_shutdown"].__code__
    return frame is None or any(inner.f_code is at_the_end for inner in stack(frame))
