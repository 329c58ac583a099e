"""Signals that end a command while it prints a JSON document, and before or after the work of a run.

SIGTERM, and the SIGHUP of a terminal that closes, would end the process in the middle of a document. Here they wait
until what is being printed is whole, and then end the command as Ctrl-C does, with the exit code that a shell expects.

While chunks are in work, ``run`` and ``resume`` have handlers of their own: they finish those chunks, and pause. Before
the first chunk and after the last one nothing is in hand, so that a signal ends the command at once, as paused.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.early import asks_for_json
from checkpoint_store.cli.notices import NOTICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
EXIT_PAUSED: Final = 75
_AS_NEW: Final = (signal.SIG_DFL, signal.default_int_handler)
"""The handlers that a new process has."""
SAME_PRESS_SECONDS: Final = 0.1
"""Two signals within this time are one key press: a launcher may repeat the signal that the terminal sent."""
_ALWAYS_JSON: Final = frozenset({"export", "datasette-metadata"})
"""Commands that print JSON without being asked for it."""


class Terminated(BaseException):
    """A signal ends the command."""

    def __init__(self, number: int, *, goes_on: bool = False) -> None:
        safe = " while no chunk was in work; what was done is recorded, and the same command goes on" if goes_on else ""
        super().__init__(f"ended by {signal.Signals(number).name}{safe}")
        self.exit_code = EXIT_PAUSED if goes_on else 128 + number
        """The exit code with which a shell reports a program that the signal ended, or that of a run that is paused."""


class _Printing:
    """Whether a document is being printed now, and the signal that waits for its end."""

    depth = 0
    ended_by: int | None = None
    """The signal that came while a document was being printed."""


class _First:
    """The first signal of a command: the second one ends the process."""

    came_at: float | None = None
    goes_on = False
    """Whether the command goes on when it is typed again."""


@contextmanager
def ended_by_signals(argv: Sequence[str]) -> Iterator[None]:
    """Raise :class:`Terminated` at a signal in this block, in a command that prints JSON or works on chunks.

    A signal that is ignored, or has a handler of the calling program, stays so. A second signal ends the process.
    """
    numbers = (signal.SIGINT, *ENDING_SIGNALS) if (works := works_on_chunks(argv)) else ENDING_SIGNALS
    before: dict[int, Any] = {}
    is_held = works or asks_for_json(argv) or not _ALWAYS_JSON.isdisjoint(argv[1:2])
    if is_held and threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in numbers}
        before = {number: handler for number, handler in before.items() if handler in _AS_NEW}
    if before:
        _First.came_at, _First.goes_on = None, works
    for number in before:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a signal wait until the end of this block."""
    _Printing.depth += 1
    try:
        yield
    finally:
        _Printing.depth -= 1
        number, _Printing.ended_by = _Printing.ended_by, None
    if number is not None:
        raise Terminated(number, goes_on=_First.goes_on)


def is_ending() -> bool:
    """Whether a signal has come that waits for the end of :func:`undisturbed`."""
    return _Printing.ended_by is not None


def works_on_chunks(argv: Sequence[str]) -> bool:
    """Whether the command is one that works on chunks, and goes on with them when it is typed again."""
    return argv[1:2] in (["run"], ["resume"])


def _on_signal(number: int, _frame: FrameType | None) -> None:
    first, now = _First.came_at, time.monotonic()
    if first is not None and now - first < SAME_PRESS_SECONDS:
        return
    if first is not None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    _First.came_at = now
    NOTICES.hurry()
    if _Printing.depth:
        _Printing.ended_by = number
        return
    raise Terminated(number, goes_on=_First.goes_on)
