"""The log and the warnings of the package. The log is silent until the host program sets a handler or a level."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import suppress
from logging import DEBUG, WARNING, LogRecord, NullHandler, getLogger
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreBusy

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_PACKAGE: Final = __name__.partition(".")[0]
log: Final = getLogger(_PACKAGE)
log.addHandler(NullHandler())
_held: Final = threading.local()
"""``notices``: the list of the warnings that the outermost :class:`WarningsLast` of this thread will give."""
_handle: Final = log.handle


def _handle_and_go_on(record: LogRecord) -> None:
    """Handle a record. An error of the host program's handler or filter ends no work: the work is paid for."""
    try:
        _handle(record)
    except Exception as error:  # whatever the host program's handler raises
        with suppress(Exception):
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )


log.handle = _handle_and_go_on  # type: ignore[method-assign]  # a subclass is too late for a logger that exists already


def log_suppressed(error: BaseException, what: str) -> None:
    """Log which error was suppressed, and what it prevented. Raises nothing: finalizers call this, at exit too.

    An error that passes by itself (a busy store) is logged at level DEBUG, any other error at WARNING.
    """
    level = DEBUG if isinstance(error, StoreBusy) else WARNING
    with suppress(Exception):
        log.log(level, "%s: %s: %s", what, type(error).__name__, error)


A_WAIT: Final = {"is_wait": True}
"""The mark (``extra``) of a line about a wait, or about work of another program; the command prints these lines."""
LOG_WAIT_AFTER_SECONDS: Final = 0.5
"""A shorter wait for another process is usual, and is not logged."""


def log_wait(path: Path, whom: str, timeout_seconds: float) -> None:
    """Log that a call waits for other processes, and for how long at most; the command prints this line.

    ``whom``: what the others do with the file, such as "locked by process 17 (python)".
    """
    log.info("%s is %s: waiting up to %g s", path, whom, timeout_seconds, extra=A_WAIT)


class WarningsLast:
    """Give the warnings of the body after the body, so that a warning that is an error leaves no step undone.

    All warnings are given. Then the first warning that is an error is raised, unless the body raised an error itself. A
    block inside another block of the same thread leaves its warnings to the outer block.
    """

    def __enter__(self) -> None:
        """Hold the warnings of this thread back."""
        self._notices: list[tuple[str, type[Warning]]] = []
        self._is_outermost = getattr(_held, "notices", None) is None
        if self._is_outermost:
            _held.notices = self._notices

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_outermost:
            return
        _held.notices = None
        first: Warning | None = None
        for notice in self._notices:
            try:
                _warn(*notice)
            except Warning as raised:
                first = first or raised
        try:
            if first is not None and error is None:
                raise first
        finally:
            first = None  # a frame that its own error refers to lives on, with the store of its caller


def log_unread(path: Path, error: BaseException) -> None:
    """Log that a copy of the store cannot be read, or only in part, and that work goes on without it.

    Nothing is logged of a copy that is missing.
    """
    if not isinstance(error, FileNotFoundError):
        log.warning("the copy %s cannot be read, or only in part: %s", path, error)


def log_and_warn(message: str, category: type[Warning]) -> None:
    """Log a message and warn of it, as :func:`warn_caller` does: a log that nobody set up says nothing."""
    log.warning("%s", message)
    warn_caller(message, category)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, however deep in it this is; after a :class:`WarningsLast`, if any."""
    notices = getattr(_held, "notices", None)
    if notices is None:
        _warn(message, category)
    else:
        notices.append((message, category))


def _warn(message: str, category: type[Warning]) -> None:
    level, frame = 1, sys._getframe()  # a stack level of 1 is the caller of warnings.warn
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
