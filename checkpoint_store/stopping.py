"""Ctrl-C: once, and the chunks in hand are finished; twice, and the work ends at once. SIGTERM counts as the first."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


_CAN_MASK: Final = hasattr(signal, "pthread_sigmask")
_entered: Final[list[Interrupts]] = []


class Interrupts:
    """While entered in the main thread, SIGINT and SIGTERM set ``requested``; a second SIGINT is a KeyboardInterrupt.

    In any other thread, and where the program has a handler of its own for a signal, nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._on_signal)
        _entered.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():  # a generator may be closed in another one
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before.clear()
        _entered.remove(self)

    def in_child(self) -> None:
        """In a forked child, which SIGTERM has to end: whoever started it may wait for that."""
        if signal.SIGTERM in self._before:
            signal.signal(signal.SIGTERM, self._before.pop(signal.SIGTERM))

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


def heed_second_interrupt_only() -> None:
    """In a worker process: a terminal's first Ctrl-C goes to it, too, and the chunk in hand is to be finished."""
    if threading.current_thread() is threading.main_thread():
        usual = signal.default_int_handler
        if signal.getsignal(signal.SIGINT) is usual:
            signal.signal(signal.SIGINT, Interrupts()._on_signal)  # noqa: SLF001 - its own
        if _CAN_MASK:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let no SIGINT through to this thread in this block; processes that it starts begin so, and change it themselves.

    See :func:`heed_second_interrupt_only`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) if _CAN_MASK else ()
    try:
        yield
    finally:
        if _CAN_MASK:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    for interrupts in _entered:
        interrupts.in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
