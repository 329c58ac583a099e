"""The one log of the package, silent until the host program sets a handler or a level of its own."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import suppress
from logging import DEBUG, WARNING, LogRecord, NullHandler, getLogger
from typing import Final

from checkpoint_store.errors import StoreBusy

_PACKAGE: Final = __name__.partition(".")[0]
log: Final = getLogger(_PACKAGE)
log.addHandler(NullHandler())
_handle: Final = log.handle


def _handle_and_go_on(record: LogRecord) -> None:
    """Handle a record. A handler or a filter of the host program that raises ends no work, which is paid for."""
    try:
        _handle(record)
    except Exception as error:  # whatever the host program's handler raises
        with suppress(Exception):
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )


log.handle = _handle_and_go_on  # type: ignore[method-assign]  # a class of its own would come too late for a host program


def log_suppressed(error: BaseException, what: str) -> None:
    """Log which error was suppressed, and what it prevented. Raises nothing: finalizers call this, at exit too.

    An error that passes by itself (a busy store) is logged at level DEBUG, any other error at WARNING.
    """
    level = DEBUG if isinstance(error, StoreBusy) else WARNING
    with suppress(Exception):
        log.log(level, "%s: %s: %s", what, type(error).__name__, error)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, however deep in it this is."""
    level, frame = 1, sys._getframe()  # a stack level of 1 is the caller of warnings.warn
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
