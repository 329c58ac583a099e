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
_USUAL: Final = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_entered: Final[list[Interrupts]] = []
"""The loops of this process; one signal is for all of them."""
_before: Final[dict[signal.Signals, Any]] = {}
"""The handlers in whose place ours are."""


class Interrupts:
    """While entered, SIGINT and SIGTERM set ``requested``; a second SIGINT is a KeyboardInterrupt.

    Where no loop was entered in the main thread, and where the program has a handler of its own for a signal, nothing
    is changed.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Self:
        self.requested = _was_requested()
        _entered.append(self)
        if _in_main_thread():
            for number, usual in _USUAL.items():
                if signal.getsignal(number) is usual:
                    _before[number] = signal.signal(number, _on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        _entered.remove(self)
        # A generator may be closed in another thread, which must not do this: then the next signal does.
        if not _entered and _in_main_thread():
            _give_back(*_before)


def _on_signal(number: int, _: FrameType | None) -> None:
    if not _entered:
        _give_back(*_before)
        signal.raise_signal(number)
    elif number == signal.SIGINT and _was_requested():
        raise KeyboardInterrupt
    else:
        for one in _entered:
            one.requested = True


def _was_requested() -> bool:
    return any(one.requested for one in _entered)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _give_back(*numbers: signal.Signals) -> None:
    for number in numbers:
        before = _before.pop(number, None)
        if before is not None and signal.getsignal(number) is _on_signal:
            signal.signal(number, before)


def heed_second_interrupt_only() -> None:
    """In a worker process: a terminal's first Ctrl-C goes to it, too, and the chunk in hand is to be finished."""
    if _in_main_thread():
        if signal.getsignal(signal.SIGINT) in (_USUAL[signal.SIGINT], _on_signal):
            _entered[:] = [Interrupts()]
            signal.signal(signal.SIGINT, _on_signal)
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


_mask_before_fork: Final = threading.local()


def _hold_back_sigterm() -> None:
    """One that comes while a child has our handler still would be lost: Python drops what came while it forks."""
    if signal.getsignal(signal.SIGTERM) is _on_signal:
        _mask_before_fork.value = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _let_sigterm_through() -> None:
    before = _mask_before_fork.__dict__.pop("value", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    """SIGTERM has to end a forked child: whoever started it may wait for that."""
    _give_back(signal.SIGTERM)
    _let_sigterm_through()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_back_sigterm, after_in_parent=_let_sigterm_through, after_in_child=_in_child)
