"""Ctrl-C: once, and the piece in hand is finished; twice, and everything ends at once."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_ONE_PRESS_SECONDS: Final = 0.1
"""A launcher may pass on the Ctrl-C that the terminal has already sent: two signals, one press."""
_NOTICE: Final = b"\ncheckpoint-store: finishing what is in hand, then pausing; once more stops at once\n"


_OF_A_TERMINAL_THAT_CLOSES: Final = tuple(filter(None, [getattr(signal, "SIGHUP", None)]))
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *_OF_A_TERMINAL_THAT_CLOSES)


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP set ``requested``; a second one sets ``at_once`` and calls ``kill``.

    Args:
        kill: ends the work in hand; it is called from a signal handler.
        quiet: whether something else on the screen says that the first has been heard.
    """

    def __init__(self, kill: Callable[[], None], *, quiet: bool) -> None:
        self.requested = False
        self.at_once = False
        self._kill = kill
        self._quiet = quiet
        self._first = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if number in _OF_A_TERMINAL_THAT_CLOSES and signal.getsignal(number) is not signal.SIG_DFL:
                continue  # nohup
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._first = True, time.monotonic()
            if not self._quiet:
                with suppress(OSError):  # the terminal may be gone
                    os.write(2, _NOTICE)  # print may be interrupted by this very handler, and then raises
        elif time.monotonic() - self._first >= _ONE_PRESS_SECONDS:
            self.at_once = True
            self._kill()
