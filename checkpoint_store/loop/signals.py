"""SIGINT, SIGTERM and SIGHUP: the first lets the loops finish the chunks in flight, the second ends them at once.

A signal sets ``requested`` in every loop of the process. Each loop finishes what it has in flight. Then a loop of the
main thread gives the signal its usual effect: KeyboardInterrupt, or SystemExit(128 + number). So a script ends as it
would have ended without a loop, only a little later.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from checkpoint_store.system.forks import ForkOrder, at_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


_TERMINATION_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""The signals whose usual effect here is SystemExit."""
_KEY_PRESS_SECONDS_MAX: Final = 0.1
"""Two signals within this time are one key press: a launcher may pass on the Ctrl-C that the terminal sent already."""
_DELIVERY_DELAY_SECONDS: Final = 0.02

_active: Final[list[Interrupts]] = []
"""The loops of this process. A signal is for all of them."""
_replaced_handlers: Final[dict[signal.Signals, Any]] = {}
"""The handlers that ours replace."""


class _PendingSignal:
    """The signal that has not had its usual effect yet."""

    number: int | None = None
    last_at = 0.0
    """When the last signal came, on the monotonic clock."""


class Interrupts:
    """While entered in the main thread: the first signal sets ``requested``, and the second ends the work at once.

    Where the program has a handler of its own for a signal, that handler stays. In another thread no handler is set; a
    loop of another thread stops at the signals that a loop of the main thread receives.
    """

    def __init__(self, is_abandoned: Callable[[], bool] = lambda: False) -> None:
        self.is_abandoned: Final = is_abandoned
        """Whether nobody can go on with the loop, as with a closed event loop: no signal waits for it."""
        self.requested = False
        self.is_urgent = False
        """Whether a second signal came, so that the loop waits for nothing any more."""
        self.is_in_main = False
        self.is_busy = False
        """Whether an asyncio loop finishes what it has in flight, whatever its caller does."""

    def __enter__(self) -> Self:
        self.is_in_main = _in_main_thread()
        requests = (loop.requested for loop in _loops() if loop.is_in_main or not self.is_in_main)
        self.requested = _PendingSignal.number is not None or any(requests)
        try:
            _active.append(self)
            if self.is_in_main:
                _set_handlers()
        except BaseException:  # a Ctrl-C that comes before our handler is set
            if self in _active:
                self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _active.remove(self)
        if self.is_in_main and not _main_loops():
            if _PendingSignal.number is not None:  # the caller left its loop early, by a break for example
                _deliver_soon()
            elif _in_main_thread():  # where another thread closes the generator, the next signal restores them
                _restore_handlers(*_replaced_handlers)

    @property
    def waits_for_others(self) -> bool:
        """Whether the effect of a signal would cancel what other asyncio loops have in flight."""
        others_are_busy = any(loop.is_busy for loop in _loops() if loop is not self)
        return self.requested and not self.is_urgent and _PendingSignal.number is not None and others_are_busy

    def deliver(self, cause: BaseException | None = None) -> None:
        """Give the signal that stopped this loop its usual effect; return where no signal is pending."""
        if self.is_in_main and _in_main_thread():
            _deliver(cause)


def _deliver(cause: BaseException | None = None) -> None:
    number, _PendingSignal.number = _PendingSignal.number, None
    if number is not None:
        raise _exception_of(number) from cause


def _exception_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def a_loop_ends_at_once() -> bool:
    """Whether a second signal came, so that exceptions in the main thread are to end the program."""
    return any(loop.is_urgent for loop in _loops())


def _on_signal(number: int, _: FrameType | None) -> None:
    is_new_press = _is_new_key_press()
    loops = _main_loops()
    if not loops:
        _restore_handlers(*_replaced_handlers)
        if signal.getsignal(number) is _on_signal:  # no entry tells which handler ours replaced
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        _deliver()
        signal.raise_signal(number)
    elif not any(loop.requested for loop in loops):
        _PendingSignal.number = number
        for loop in _active:
            loop.requested = True
    elif is_new_press:
        _end_at_once(number)


def _is_new_key_press() -> bool:
    """Note that a signal came now; return whether it is more than an echo of the one before."""
    moment, previous = time.monotonic(), _PendingSignal.last_at
    _PendingSignal.last_at = moment
    return moment - previous >= _KEY_PRESS_SECONDS_MAX


def note_termination() -> bool:
    """Count a SIGTERM of a worker process with its other signals; return whether it is to end the process now."""
    is_new_press = _is_new_key_press()
    is_second = any(loop.requested for loop in _loops()) and is_new_press
    is_over = a_loop_ends_at_once()
    for loop in _active:
        loop.requested = True
    return is_over or is_second


def _end_at_once(number: int) -> NoReturn:
    _PendingSignal.number = None
    for loop in _active:
        loop.is_urgent = True
    raise _exception_of(number)


def _loops() -> list[Interrupts]:
    """Return the loops of this process that somebody can go on with."""
    return [loop for loop in _active if not loop.is_abandoned()]


def _main_loops() -> list[Interrupts]:
    return [loop for loop in _loops() if loop.is_in_main]


def _deliver_soon() -> None:
    """Send the pending signal again from a thread: an exception raised while a generator is collected is lost."""

    def send() -> None:
        number = _PendingSignal.number
        if number is not None and not _main_loops():
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    timer = threading.Timer(_DELIVERY_DELAY_SECONDS, send)
    timer.daemon = True
    with suppress(RuntimeError):  # the interpreter ends already, as the signal asks
        timer.start()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _set_handlers() -> None:
    for number in (signal.SIGINT, *_TERMINATION_SIGNALS):
        current = signal.getsignal(number)
        ends_by_default = number in _TERMINATION_SIGNALS and current is signal.SIG_DFL
        if ends_by_default or current is signal.default_int_handler or _is_of_asyncio(current):
            _replaced_handlers[number] = signal.signal(number, _on_signal)


def _is_of_asyncio(handler: object) -> bool:
    """Whether a handler is that of ``asyncio.run``, which would cancel the work in flight, which is paid for."""
    runner = getattr(sys.modules.get("asyncio"), "Runner", None)
    method = getattr(handler.func, "__func__", None) if isinstance(handler, partial) else None
    return method is not None and method is getattr(runner, "_on_sigint", None)


def _restore_handlers(*numbers: signal.Signals) -> None:
    for number in numbers:
        before = _replaced_handlers.get(number)
        if before is not None and signal.getsignal(number) is _on_signal:
            signal.signal(number, before)
        _replaced_handlers.pop(number, None)  # last: a signal may come before each line


def _ignore(*_: object) -> None:
    """Do nothing. A program that a worker process starts does not inherit this handler; it would inherit SIG_IGN."""


def heed_second_interrupt_only() -> None:
    """Let a worker process finish its chunk: a terminal sends the first Ctrl-C to the worker process, too.

    A terminal that closes sends SIGHUP to it, too. Worker processes end with the process that made them.
    """
    if not _in_main_thread():
        return
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _on_signal):
        interrupts = Interrupts()
        interrupts.is_in_main = True
        _active[:] = [interrupts]
        signal.signal(signal.SIGINT, _on_signal)
    if signal.getsignal(signal.SIGHUP) in (signal.SIG_DFL, _on_signal):
        signal.signal(signal.SIGHUP, _ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERMINAL_SIGNALS)


_TERMINAL_SIGNALS: Final = (signal.SIGINT, signal.SIGHUP)
"""The signals that a terminal sends to every process in it."""


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Block SIGINT and SIGHUP for this thread in this block.

    Processes that the thread starts inherit that, and end it in :func:`heed_second_interrupt_only`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_mask_before_fork: Final = threading.local()


def _block_termination() -> None:
    """Block SIGTERM and SIGHUP before a fork: Python drops a signal that a child receives while it has our handler."""
    if any(signal.getsignal(number) is _on_signal for number in _TERMINATION_SIGNALS):
        _mask_before_fork.value = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINATION_SIGNALS)


def _unblock_termination() -> None:
    before = _mask_before_fork.__dict__.pop("value", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    """Let SIGTERM and SIGHUP end a forked child: the process that started it may wait for its end."""
    _PendingSignal.number = None
    _restore_handlers(*_TERMINATION_SIGNALS)
    _unblock_termination()


at_fork(ForkOrder.SIGNALS, before=_block_termination, after_in_parent=_unblock_termination, after_in_child=_in_child)
