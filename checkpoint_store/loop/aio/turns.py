"""The turns that an event loop gives its tasks: while it is blocked, no task gets the answer that it waits for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

_LATELY_SECONDS: Final = 1.0
_READING_SECONDS: Final = 0.05
"""The time in which an event loop that was blocked gives the tasks the answers that came meanwhile."""


class Turns:
    """The turns of one event loop. One thread asks for them; the thread of the event loop answers."""

    def __init__(self, event_loop: asyncio.AbstractEventLoop) -> None:
        self._event_loop = event_loop
        self._given_at = -math.inf
        self._asked_at = -math.inf

    def were_given_lately(self) -> bool:
        """Whether the event loop has given turns within the last second; if not, ask the event loop to note it."""
        moment = time.monotonic()
        if moment - self._given_at < _LATELY_SECONDS:
            return True
        if moment - self._asked_at >= _LATELY_SECONDS:  # again and again: an interrupt may come between two steps
            self._asked_at = moment
            try:
                self._event_loop.call_soon_threadsafe(self._event_loop.call_later, _READING_SECONDS, self._note)
            except RuntimeError:  # the event loop is closed, and no answer will come
                return True
        return False

    def _note(self) -> None:
        self._given_at = time.monotonic()
