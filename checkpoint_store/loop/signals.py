"""SIGINT, SIGTERM, SIGHUP: once, and the chunks in hand are finished first; twice, and the work ends at once.

A signal sets ``requested`` in every loop of the process. Each loop finishes what it has in hand. Then a loop of the
main thread gives the signal its usual course: KeyboardInterrupt, or SystemExit(128 + number). So a script ends as it
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
    from collections.abc import Iterator
    from types import FrameType


_CAN_MASK: Final = hasattr(signal, "pthread_sigmask")
_SIGHUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
_ENDING: Final = (signal.SIGTERM,) if _SIGHUP is None else (signal.SIGTERM, _SIGHUP)
"""The signals whose usual course is SystemExit."""
_ONE_PRESS_SECONDS: Final = 0.1
"""A launcher may pass on the Ctrl-C that the terminal has sent already: two signals, one press."""
_SOON_SECONDS: Final = 0.02

_entered: Final[list[Interrupts]] = []
"""The loops of this process; one signal is for all of them."""
_before: Final[dict[signal.Signals, Any]] = {}
"""The handlers in whose place ours are."""


class _Owed:
    """The signal that has not taken its usual course yet, and when the last one came."""

    number: int | None = None
    came_at = 0.0


class Interrupts:
    """While entered in the main thread, the first signal sets ``requested``, and the second ends everything at once.

    Where the program has a handler of its own for a signal, that handler stays. In another thread no handler is set;
    a loop there is told of the signals that a loop of the main thread hears.
    """

    def __init__(self) -> None:
        self.requested = False
        self.at_once = False
        """Whether a second signal came: nothing is waited for any more."""
        self.is_in_main = False
        self.is_busy = False
        """Whether a loop of asyncio's finishes what it has in hand, whatever its caller does."""

    def __enter__(self) -> Self:
        self.is_in_main = _in_main_thread()
        told = (one.requested for one in _entered if one.is_in_main or not self.is_in_main)
        self.requested = _Owed.number is not None or any(told)
        _entered.append(self)
        if self.is_in_main:
            _set_handlers()
        return self

    def __exit__(self, *_: object) -> None:
        _entered.remove(self)
        if self.is_in_main and not _main_loops():
            if _Owed.number is not None:  # its loop was left by another way: at a break, say
                _deliver_soon()
            elif _in_main_thread():  # where another thread closes the generator, the next signal does this
                _give_back(*_before)

    @property
    def waits_for_others(self) -> bool:
        """Whether a signal is to take its course, which would cut off what other loops of asyncio's have in hand."""
        others = any(one.is_busy for one in _entered if one is not self)
        return self.requested and not self.at_once and _Owed.number is not None and others

    def take_course(self, cause: BaseException | None = None) -> None:
        """Let the signal that stopped this loop take its usual course; return where there is none to take.

        Raises:
            KeyboardInterrupt: for SIGINT.
            SystemExit: for SIGTERM and SIGHUP, with the code 128 + number.
        """
        if self.is_in_main and _in_main_thread():
            _take_course(cause)


def _take_course(cause: BaseException | None = None) -> None:
    number, _Owed.number = _Owed.number, None
    if number is not None:
        raise _course(number) from cause


def _course(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def asks_to_end(error: BaseException) -> bool:
    """Whether an exception asks a program to end or to stop waiting, and says of nothing that it failed.

    So do Ctrl-C, a cancelled task, a generator that is closed, ``sys.exit()``, and the exit code of a signal.
    """
    code = getattr(error, "code", None)
    return not isinstance(error, Exception) and (not code or code in {128 + one for one in (signal.SIGINT, *_ENDING)})


def _on_signal(number: int, _: FrameType | None) -> None:
    moment, last = time.monotonic(), _Owed.came_at
    _Owed.came_at = moment
    loops = _main_loops()
    if not loops:
        _give_back(*_before)
        _take_course()
        signal.raise_signal(number)
    elif not any(one.requested for one in loops):
        _Owed.number = number
        for one in _entered:
            one.requested = True
    elif moment - last >= _ONE_PRESS_SECONDS:
        _end_at_once(number)


def _end_at_once(number: int) -> NoReturn:
    _Owed.number = None
    for one in _entered:
        one.at_once = True
    raise _course(number)


def _main_loops() -> list[Interrupts]:
    return [one for one in _entered if one.is_in_main]


def _deliver_soon() -> None:
    """Send the owed signal again, from a thread: what is raised while a generator is thrown away is lost."""

    def deliver() -> None:
        number = _Owed.number
        if number is not None and not _main_loops():
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    timer = threading.Timer(_SOON_SECONDS, deliver)
    timer.daemon = True
    with suppress(RuntimeError):  # the interpreter is ending, as the signal wishes
        timer.start()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _set_handlers() -> None:
    for number in (signal.SIGINT, *_ENDING):
        now = signal.getsignal(number)
        if now is signal.default_int_handler or (number in _ENDING and now is signal.SIG_DFL) or _is_of_asyncio(now):
            _before[number] = signal.signal(number, _on_signal)


def _is_of_asyncio(handler: object) -> bool:
    """Whether a handler is that of ``asyncio.run``: it would cancel the work in hand, which is paid for."""
    runner = getattr(sys.modules.get("asyncio"), "Runner", None)
    method = getattr(handler.func, "__func__", None) if isinstance(handler, partial) else None
    return method is not None and method is getattr(runner, "_on_sigint", None)


def _give_back(*numbers: signal.Signals) -> None:
    for number in numbers:
        before = _before.pop(number, None)
        if before is not None and signal.getsignal(number) is _on_signal:
            signal.signal(number, before)


def _ignore(*_: object) -> None:
    """Do nothing; unlike SIG_IGN, this is not what the programs start with that a worker process starts."""


def heed_second_interrupt_only() -> None:
    """In a worker process: a terminal's first Ctrl-C goes to it, too, and the chunk in hand is to be finished.

    So does the SIGHUP of a terminal that closes; worker processes end with the process that made them.
    """
    if not _in_main_thread():
        return
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _on_signal):
        one = Interrupts()
        one.is_in_main = True
        _entered[:] = [one]
        signal.signal(signal.SIGINT, _on_signal)
    if _SIGHUP is not None and signal.getsignal(_SIGHUP) in (signal.SIG_DFL, _on_signal):
        signal.signal(_SIGHUP, _ignore)
    if _CAN_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERMINALS)


_TERMINALS: Final = [signal.SIGINT] if _SIGHUP is None else [signal.SIGINT, _SIGHUP]
"""The signals that a terminal sends to every process in it."""


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let no SIGINT and no SIGHUP through to this thread in this block.

    Processes that it starts begin so, and change it themselves.

    See :func:`heed_second_interrupt_only`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINALS) if _CAN_MASK else ()
    try:
        yield
    finally:
        if _CAN_MASK:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_mask_before_fork: Final = threading.local()


def _hold_back_ending() -> None:
    """One that comes while a child has our handler still would be lost: Python drops what came while it forks."""
    if any(signal.getsignal(number) is _on_signal for number in _ENDING):
        _mask_before_fork.value = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def _let_ending_through() -> None:
    before = _mask_before_fork.__dict__.pop("value", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    """SIGTERM and SIGHUP have to end a forked child: whoever started it may wait for that."""
    _Owed.number = None
    _give_back(*_ENDING)
    _let_ending_through()


at_fork(ForkOrder.SIGNALS, before=_hold_back_ending, after_in_parent=_let_ending_through, after_in_child=_in_child)
