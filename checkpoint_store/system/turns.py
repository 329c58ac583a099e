"""Give the other threads of the process their turn during long work in one thread."""

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
    """Yield the items. If the process has other threads, sleep for a moment before an item every 0.2 milliseconds."""
    began_at = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began_at >= _WORK_SECONDS:
            if threading.active_count() > 1:
                time.sleep(_TURN_PAUSE_SECONDS)
            began_at = time.monotonic()
