"""The lines at which callers left loops before their end, to find the exception that ended a loop.

A generator learns that it is closed, and not why. The traceback of the exception says why: it passes through the line
at which the loop was left. A ``break`` leaves the loop at another line than a later exception.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

_PACKAGE: Final = str(Path(__file__).parent.parent)


class LeftLoops:
    """The loops of one store that were left before their end. Safe to share between threads."""

    def __init__(self) -> None:
        self._left_at: dict[str, tuple[CodeType, int] | None] = {}
        """The code and line at which each job's loop was left; None if the loop lived until its store was closed."""

    def note_left(self, job_id: str) -> None:
        """Note that the loop which calls this was left by its caller just now."""
        frame: FrameType | None = sys._getframe(1)  # the line of the caller, without reading sources
        while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame = frame.f_back
        if frame is not None:
            line = frame.f_code, frame.f_lineno
            # In a loop over many files, the caller caught the exception that ended the loop of an earlier file.
            others = {other: known for other, known in self._left_at.items() if known != line}
            self._left_at = others | {job_id: line}

    def note_closed(self, job_id: str) -> None:
        """Note that the store was closed before the loop ended."""
        self._left_at[job_id] = None

    def forget(self, job_id: str) -> None:
        """Note that another loop of the job begins."""
        self._left_at.pop(job_id, None)

    def ended_by(self, error: BaseException) -> dict[str, BaseException]:
        """Return the exception that ended the loop of each job, from an exception and its causes."""
        passed = {line: cause for cause in _chain(error) for line in _lines(cause)}
        ends = {job_id: error if line is None else passed.get(line) for job_id, line in self._left_at.items()}
        return {job_id: cause for job_id, cause in ends.items() if cause is not None}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its cause or context, and so on, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _lines(error: BaseException) -> Iterator[tuple[CodeType, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
