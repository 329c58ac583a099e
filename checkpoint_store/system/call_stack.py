"""The call stack of this thread: which module is in the middle of a call, and whether a signal handler runs."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FrameType


def innermost_module(packages: tuple[str, ...], *, callers: int) -> str | None:
    """Return the name of the module under one of these packages that was called last on the stack of this thread.

    Args:
        packages: the names of the packages, each with a dot behind it.
        callers: how many frames to leave out: 1 leaves out the caller of this function, 2 its caller, too.

    Returns:
        The name of the module; None if no function of these packages is under way.
    """
    frame: FrameType | None = sys._getframe(callers + 1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if isinstance(module, str) and module.startswith(packages):
            return module
        frame = frame.f_back
    return None


def is_in_signal_handler() -> bool:
    """Whether a signal handler of the program, written in Python, is on the stack of this thread."""
    handlers = _handlers()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in handlers:
            return True
        frame = frame.f_back
    return False


def handler_interrupts(packages: tuple[str, ...]) -> bool:
    """Whether a signal handler is on the stack of this thread, and interrupted a function of these packages."""
    handlers = _handlers()
    is_below = False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if is_below and isinstance(module, str) and module.startswith(packages):
            return True
        is_below = is_below or frame.f_code in handlers
        frame = frame.f_back
    return False


def _handlers() -> set[CodeType]:
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
