"""The process of a COMMAND: its group, its stdin, and its time limit."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_ENDED_STATES: Final = frozenset("ZX")


def has_program_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended; its exit code is left for the thread that waits for it."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process lives that a program started and left in its group: it may print the rest of the answer."""
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        return True
    states = [state for group, state in _groups_and_states() if group == child.pid]
    return not states or any(state not in _ENDED_STATES for state in states)


def _groups_and_states() -> Iterator[tuple[int, str]]:
    """Yield the group and the state of each process, where the system has them in files; a container may reap none."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of a program, in brackets, may have any character.
            state, _, group, *_ = path.read_bytes().rpartition(b")")[2].decode("ascii").split()
            yield int(group), state


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a program and the processes of its group, as far as any live."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


_WAIT_SLICE_SECONDS: Final = 0.5
_SLICES_UNTIL_SAID: Final = 2
_STOOD_STILL_SECONDS_MIN: Final = 1.0
"""A wait that ends so much too late says that this process stood still meanwhile: a paused container, a SIGSTOP.

The loop has a constant of this name, too. The command uses public names only; a test keeps a name to one number.
"""
_LAST_LOOK_SECONDS: Final = 0.05


class StdinWriter:
    """A thread that gives a program its stdin.

    ``communicate`` writes to stdin in its first call only, and :func:`output_in_time` calls it more often. A program
    that does not read all of the text is no error. Make this object before the program starts: where the system starts
    no more threads (``OSError``), the program would be billed for nothing.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._stdin = SimpleQueue[IO[bytes] | None]()
        try:
            threading.Thread(target=self._write, name="checkpoint-store stdin", daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error

    def write_to(self, stdin: IO[bytes] | None) -> None:
        """Write the text to this pipe, and close it, while the caller goes on; None where no program was started."""
        self._stdin.put(stdin)

    def _write(self) -> None:
        stdin = self._stdin.get()
        if stdin is not None:
            with suppress(OSError):
                try:
                    stdin.write(self._text)
                finally:
                    stdin.close()


def output_in_time(
    child: subprocess.Popen[bytes],
    seconds_max: float | None,
    is_killed: Callable[[], bool],
    on_wait: Callable[[], object],
) -> tuple[bytes, bytes]:
    """Return what a program printed on stdout and stderr until its end, or raise ``subprocess.TimeoutExpired``.

    Some process still has its stdout or stderr then. The ``stdin`` of ``child`` is None: a :class:`StdinWriter` has it.
    ``seconds_max`` is how long it may take; None for any time. After a pause of the container a program whose answer is
    paid for has the rest of its time to hand the answer over. ``is_killed`` says whether somebody killed the program
    meanwhile: a process that it started may live on, and hold its stdout. ``on_wait`` is called once the program itself
    has ended for a second: nobody knows whether the process that holds its stdout prints the rest of the answer.
    """
    slices_since_end = 0
    for wait_seconds in _waits(inf if seconds_max is None else seconds_max):
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=wait_seconds)
        if is_killed() and child.poll() is not None:
            break
        slices_since_end += has_program_ended(child)
        if slices_since_end == _SLICES_UNTIL_SAID:
            on_wait()
    return child.communicate(timeout=_LAST_LOOK_SECONDS)  # it may have ended when the last wait did


def _waits(seconds_max: float) -> Iterator[float]:
    """Yield how long to wait at a time, until the caller has waited for ``seconds_max`` in all."""
    seconds_left = seconds_max
    while seconds_left > 0:
        wait_seconds, began = min(seconds_left, _WAIT_SLICE_SECONDS), time.monotonic()
        yield wait_seconds
        if time.monotonic() - began < wait_seconds + _STOOD_STILL_SECONDS_MIN:
            seconds_left -= wait_seconds
