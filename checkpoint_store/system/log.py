"""The one log of the package, silent until the host program sets a handler or a level of its own."""

from __future__ import annotations

from contextlib import suppress
from logging import DEBUG, WARNING, NullHandler, getLogger
from typing import Final

from checkpoint_store.errors import StoreBusy

log: Final = getLogger(__name__.partition(".")[0])
log.addHandler(NullHandler())


def log_suppressed(error: BaseException, what: str) -> None:
    """Say which error was suppressed, and what it prevented. Raises nothing: finalizers call this, at exit too.

    An error that passes by itself (a busy store) is told with the level DEBUG, any other one with WARNING.
    """
    level = DEBUG if isinstance(error, StoreBusy) else WARNING
    with suppress(Exception):
        log.log(level, "%s: %s: %s", what, type(error).__name__, error)
