"""Ctrl-C in ``run``: the first one finishes the chunks in work, the second one ends everything."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from checkpoint_store.cli.ended import SAME_PRESS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_NOTICE: Final = b"\ncheckpoint-store: finishing what is in hand, then pausing; press Ctrl-C again to stop at once\n"


_HANGUP: Final = tuple(filter(None, [getattr(signal, "SIGHUP", None)]))
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *_HANGUP)


class RunInterrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP set ``requested``; a second one sets ``stops_now`` and calls ``kill``.

    Args:
        kill: ends the chunks in work; it is called from a signal handler.
        quiet: print no notice at the first signal, because the live line says so.
    """

    def __init__(self, kill: Callable[[], None], *, quiet: bool) -> None:
        self.requested = False
        self.stops_now = False
        self._kill = kill
        self._quiet = quiet
        self._first_seconds = 0.0
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if number in _HANGUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup ignores SIGHUP, and so does the run then
            self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._first_seconds = True, time.monotonic()
            if not self._quiet:
                with suppress(OSError):  # the terminal may be gone
                    os.write(2, _NOTICE)  # print may be interrupted by this very handler, and then raises
        elif time.monotonic() - self._first_seconds >= SAME_PRESS_SECONDS:
            self.stops_now = True
            self._kill()
