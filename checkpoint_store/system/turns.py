"""Long work in one thread that lets the other threads have their turn."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

_TURN_PAUSE_SECONDS: Final = 0.0002
"""A short call of another thread ends in this time. A thread that merely releases the GIL takes it again before another
thread has woken up; the other thread then waits for five milliseconds, each time that its call releases the GIL."""


def giving_turns(pieces: Iterable[T]) -> Iterator[T]:
    """Yield the pieces, and sleep for a moment after each, where the process has other threads."""
    for piece in pieces:
        yield piece
        if threading.active_count() > 1:
            time.sleep(_TURN_PAUSE_SECONDS)
