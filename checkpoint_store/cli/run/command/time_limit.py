"""The time limit of a COMMAND, which counts no time in which this process stood still."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from math import inf
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WAIT_SLICE_SECONDS: Final = 0.5
_STOOD_STILL_SECONDS_MIN: Final = 1.0
"""A wait that ends so much too late says that this process stood still meanwhile: a paused container, a SIGSTOP.

The loop has a constant of this name, too. The command uses public names only; a test keeps a name to one number.
"""
_LAST_LOOK_SECONDS: Final = 0.05


def output_in_time(
    child: subprocess.Popen[bytes], text: bytes, seconds_max: float | None, is_killed: Callable[[], bool]
) -> tuple[bytes, bytes]:
    """Give a program its stdin, and return what it printed on stdout and stderr until its end.

    Args:
        child: the program, with pipes; its ``stdin`` is None afterwards.
        text: what it reads. A program that does not read all of it is no error.
        seconds_max: how long it may take; None for any time. After a pause of the container a program whose answer is
            paid for has the rest of its time to hand the answer over.
        is_killed: whether somebody has killed the program meanwhile: a process that it started may live on, and hold
            its stdout.

    Raises:
        subprocess.TimeoutExpired: the program took longer, or was killed. Some process still has its stdout or stderr.
    """
    assert child.stdin is not None
    # `communicate` writes to stdin in its first call only, and this function calls it more often.
    threading.Thread(target=_feed, args=(child.stdin, text), name="checkpoint-store stdin", daemon=True).start()
    child.stdin = None
    for wait_seconds in _waits(inf if seconds_max is None else seconds_max):
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=wait_seconds)
        if is_killed() and child.poll() is not None:
            break
    return child.communicate(timeout=_LAST_LOOK_SECONDS)  # it may have ended when the last wait did


def _waits(seconds_max: float) -> Iterator[float]:
    """Yield how long to wait at a time, until the caller has waited for ``seconds_max`` in all."""
    seconds_left = seconds_max
    while seconds_left > 0:
        wait_seconds, began = min(seconds_left, _WAIT_SLICE_SECONDS), time.monotonic()
        yield wait_seconds
        if time.monotonic() - began < wait_seconds + _STOOD_STILL_SECONDS_MIN:
            seconds_left -= wait_seconds


def _feed(stdin: IO[bytes], text: bytes) -> None:
    with suppress(OSError):
        try:
            stdin.write(text)
        finally:
            stdin.close()
