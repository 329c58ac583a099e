"""The one log of the package, silent until the host program sets a handler or a level of its own."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from logging import DEBUG, WARNING, NullHandler, getLogger
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreBusy

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE: Final = __name__.partition(".")[0]
log: Final = getLogger(_PACKAGE)
log.addHandler(NullHandler())


def log_suppressed(error: BaseException, what: str) -> None:
    """Log which error was suppressed, and what it prevented. Raises nothing: finalizers call this, at exit too.

    An error that passes by itself (a busy store) is logged at level DEBUG, any other error at WARNING.
    """
    level = DEBUG if isinstance(error, StoreBusy) else WARNING
    with suppress(Exception):
        log.log(level, "%s: %s: %s", what, type(error).__name__, error)


def log_unread(path: Path, error: BaseException) -> None:
    """Log that a copy of the store does not read, or only in part, and that work goes on without it.

    Nothing is logged of a copy that is missing.
    """
    if not isinstance(error, FileNotFoundError):
        log.warning("the copy %s does not read, or not all of it: %s", path, error)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, however deep in it this is."""
    level, frame = 1, sys._getframe()  # a stack level of 1 is the caller of warnings.warn
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
