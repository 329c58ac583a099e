"""Signals that end a command while it prints JSON: SIGTERM, and the SIGHUP of a terminal that closes.

Both would end the process in the middle of a document. Here they wait until what is being printed is whole, and then
end the command as Ctrl-C does, with the exit code that a shell expects.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.json_asked import asks_for_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

ENDING_SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)
_ALWAYS_JSON: Final = frozenset({"export", "datasette-metadata"})
"""Commands that print JSON without being asked for it."""


class Terminated(BaseException):
    """A signal ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        """The exit code with which a shell reports a program that the signal ended."""


class _Printing:
    """Whether a document is being printed now, and the signal that waits for its end."""

    depth = 0
    ended_by: int | None = None
    """The signal that came while a document was being printed."""


@contextmanager
def ended_by_signals(argv: Sequence[str]) -> Iterator[None]:
    """Raise :class:`Terminated` at a signal in this block, where the command line is one that prints JSON.

    A signal that is ignored, or has a handler of the program around, stays so. The second one ends the process.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread() and _prints_json(argv):
        before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
        before = {number: handler for number, handler in before.items() if handler is signal.SIG_DFL}
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
        raise Terminated(number)


def is_ending() -> bool:
    """Whether a signal has come that waits for the end of :func:`undisturbed`."""
    return _Printing.ended_by is not None


def _prints_json(argv: Sequence[str]) -> bool:
    return asks_for_json(argv) or not _ALWAYS_JSON.isdisjoint(argv[1:2])


def _on_signal(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    if _Printing.depth:
        _Printing.ended_by = number
        return
    raise Terminated(number)
