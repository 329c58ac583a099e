"""The progress of a run where there is no terminal: a line every ten seconds, for logs and CI."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_INTERVAL_SECONDS: Final = 10.0


class PlainProgress:
    """Say every ten seconds where a run stands; after a run of more than ten seconds, say so once more at its end.

    Args:
        state: returns where the run stands, as one line.
        say: prints a line.
        wait: waits for a number of seconds, and returns whether the run ended meanwhile; by default on the real clock.
    """

    def __init__(
        self, state: Callable[[], str], say: Callable[[str], None], wait: Callable[[float], bool] | None = None
    ) -> None:
        self._state, self._say = state, say
        self._ended = threading.Event()
        self._wait = self._ended.wait if wait is None else wait
        self._last_state: str | None = None
        self._thread = threading.Thread(target=self._say_regularly, name="checkpoint-store-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():  # not where the system started no thread
            self._thread.join()
        if self._last_state is not None and self._state() != self._last_state:
            self._say(self._state())

    def _say_regularly(self) -> None:
        while not self._wait(LINE_INTERVAL_SECONDS):
            self._last_state = self._state()
            self._say(self._last_state)
