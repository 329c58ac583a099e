"""The places at which callers left loops before their end, to find the exception that ended a loop.

A generator learns that it is closed, and not why. The traceback of the exception says why: it passes through the line
at which the loop was left. A ``break`` leaves the loop at another line than a later exception. Where the body of the
loop has a ``try``, the exception leaves the loop at the end of its handler, and the traceback has the line in the
``try``: then the compiler's table of handlers says whether that line leads to that handler.
"""

from __future__ import annotations

import dis
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType

_RAISES_AGAIN: Final = frozenset(dis.opmap[name] for name in ("RERAISE", "RAISE_VARARGS"))
_PACKAGE: Final = str(Path(__file__).parent.parent)


class _Place(NamedTuple):
    """A place in the caller's code."""

    code: CodeType
    line: int
    instruction: int


class LeftLoops:
    """The loops of one store that were left before their end. Safe to share between threads."""

    def __init__(self) -> None:
        self._left_at: dict[str, _Place | None] = {}
        """The place at which each job's loop was left; None if the loop lived until its store was closed."""

    def note_left(self, job_id: str) -> None:
        """Note that the loop which calls this was left by its caller just now."""
        frame: FrameType | None = sys._getframe(1)  # the line of the caller, without reading sources
        while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame = frame.f_back
        if frame is not None:
            place = _Place(frame.f_code, frame.f_lineno, frame.f_lasti)
            # In a loop over many files, the caller caught the exception that ended the loop of an earlier file.
            others = {job: left for job, left in self._left_at.items() if left is None or left[:2] != place[:2]}
            self._left_at = others | {job_id: place}

    def note_closed(self, job_id: str) -> None:
        """Note that the store was closed before the loop ended."""
        self._left_at[job_id] = None

    def forget(self, job_id: str) -> None:
        """Note that another loop of the job begins."""
        self._left_at.pop(job_id, None)

    def ended_by(self, error: BaseException) -> dict[str, BaseException]:
        """Return the exception that ended the loop of each job, from an exception and its causes."""
        causes = tuple(_chain(error))
        ends = {
            job_id: error if place is None else next((cause for cause in causes if _left(cause, place)), None)
            for job_id, place in self._left_at.items()
        }
        return {job_id: cause for job_id, cause in ends.items() if cause is not None}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its cause or context, and so on, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _left(error: BaseException, place: _Place) -> bool:
    """Whether an exception left its loop at this place."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is place.code and (trace.tb_lineno == place.line or _was_raised_again(trace, place)):
            return True
        trace = trace.tb_next
    return False


def _was_raised_again(trace: TracebackType, place: _Place) -> bool:
    """Whether the handler of the exception ended by raising it again at this place."""
    bytecode: Any = dis.Bytecode(place.code)
    handlers = [entry.target for entry in bytecode.exception_entries if entry.start <= trace.tb_lasti < entry.end]
    raises_again = place.code.co_code[place.instruction] in _RAISES_AGAIN
    return raises_again and any(handler <= place.instruction for handler in handlers)
