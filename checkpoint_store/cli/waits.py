"""A line on standard error for each wait for another process that takes longer than a moment."""

from __future__ import annotations

from contextlib import contextmanager
from logging import INFO, Handler, LogRecord, getLogger
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Waits(Handler):
    """Hands on the lines of the log about waits, and no other line."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: LogRecord) -> None:
        """Hand on the text of a line."""
        if getattr(record, "is_wait", False):
            self._say(record.getMessage())


@contextmanager
def saying_waits(say: Callable[[str], object]) -> Iterator[None]:
    """In this block, call ``say`` with the text of each wait.

    It says which file is in use, by whom, and the longest wait; or which chunks another process has in hand.
    """
    log, handler = getLogger("checkpoint_store"), _Waits(say)
    level = log.level
    log.addHandler(handler)
    log.setLevel(min(INFO, log.getEffectiveLevel()))
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
