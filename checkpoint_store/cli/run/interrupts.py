"""Ctrl-C in ``run``: the first Ctrl-C finishes the chunks in work, the second ends everything."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from checkpoint_store.cli.ended import ENDING_SIGNALS, SAME_PRESS_SECONDS
from checkpoint_store.cli.notices import NOTICES, can_take

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_NOTICE: Final = b"\ncheckpoint-store: finishing what is in hand, then pausing; press Ctrl-C again to stop at once\n"


_SIGNALS: Final = (signal.SIGINT, *ENDING_SIGNALS)
_STDERR: Final = 2


class RunInterrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP set ``requested``; a second one sets ``stops_now`` and calls ``kill``.

    A signal that is ignored stays so: nohup ignores SIGHUP, and a script that starts a run with ``&`` ignores SIGINT.

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
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._first_seconds = True, time.monotonic()
            NOTICES.hurry()
            if not self._quiet and can_take(_STDERR):
                with suppress(OSError):  # the terminal may be gone
                    os.write(_STDERR, _NOTICE)  # print may be interrupted by this very handler, and then raises
        elif time.monotonic() - self._first_seconds >= SAME_PRESS_SECONDS:
            self.stops_now = True
            self._kill()
