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
_WORK_SECONDS: Final = 0.0002
"""Sleep once the work since the last sleep took this long: a sleep after each of many small items would take longer
than the work."""


def giving_turns(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and sleep for a moment between two of them now and then if the process has other threads."""
    began_at = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began_at >= _WORK_SECONDS:
            if threading.active_count() > 1:
                time.sleep(_TURN_PAUSE_SECONDS)
            began_at = time.monotonic()
