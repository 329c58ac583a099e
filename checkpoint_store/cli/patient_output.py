"""Write to a pipe whose reader may stand still: a process that is asked to end does not wait for ever."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING

import click

from checkpoint_store.cli.notices import PIPE_PIECE_BYTES, READER_LOOK_SECONDS, READER_PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


def write_patiently(text: str, is_asked_to_end: Callable[[], bool]) -> bool:
    """Write a text to standard output, whole; return False where that was given up.

    Call it with the signals held back that ask the process to end. A reader that is slow gets all of it.
    """
    pipe = _pipe()
    if pipe is None:
        click.echo(text, nl=False)
        return True
    sys.stdout.flush()
    left = memoryview(text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    taken_at = time.monotonic()
    while left:
        if select.select((), (pipe,), (), READER_LOOK_SECONDS)[1]:
            left = left[os.write(pipe, left[:PIPE_PIECE_BYTES]) :]
            taken_at = time.monotonic()
        elif is_asked_to_end() and time.monotonic() - taken_at >= READER_PATIENCE_SECONDS:
            return False
    return True


def _pipe() -> int | None:
    """Return the number of standard output if it is a pipe or a socket; None for anything else."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: select() knows sockets only
        return None
    try:
        number = sys.stdout.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, OSError, ValueError):  # it is closed, or an object of the program around
        return None
    return number if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
