"""The progress of a long check of a store: a line that is rewritten on a terminal, or a line from time to time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

_FIRST_LINE_SECONDS: Final = 1.0
"""A check that is over sooner prints no progress."""
_TERMINAL_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 10.0


@contextmanager
def saying_how_far(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with the number of jobs that were checked, and of all jobs."""
    how_far = _HowFar(console)
    try:
        yield how_far.say
    finally:
        how_far.end()


class _HowFar:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._every_seconds = _TERMINAL_SECONDS if console.is_terminal else _LINE_SECONDS
        self._due_at = time.monotonic() + (_FIRST_LINE_SECONDS if console.is_terminal else _LINE_SECONDS)
        self._is_shown = False

    def say(self, checked: int, jobs: int) -> None:
        moment = time.monotonic()
        if moment < self._due_at:
            return
        self._due_at = moment + self._every_seconds
        text = f"checked {checked:,} of {jobs:,} job{'' if jobs == 1 else 's'}"
        if self._console.is_terminal:
            self._console.file.write(f"\r\x1b[K{text}")
            self._is_shown = True
        else:
            self._console.file.write(f"{text}\n")
        self._console.file.flush()

    def end(self) -> None:
        """Remove the line from the terminal."""
        if self._is_shown:
            self._console.file.write("\r\x1b[K")
            self._console.file.flush()
