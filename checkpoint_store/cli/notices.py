"""Standard error, on which a command talks to people: no error of standard error reaches the work."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from contextlib import contextmanager, suppress
from logging import INFO, Handler, LogRecord, getLogger
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


READER_PATIENCE_SECONDS: Final = 3.0
"""Give up if the reader has taken nothing for this long, and somebody asks the process to end."""
READER_LOOK_SECONDS: Final = 0.1
PIPE_PIECE_BYTES: Final = 4096
"""A pipe that can be written to takes this many bytes at once: a write of more may have to wait."""
_TERMINAL_PIECE_BYTES: Final = 128
"""A terminal of Linux that can be written to takes this many bytes at once.

It counts its free room in blocks of 256, and writes two bytes for a line's end.
"""
_KEPT_BYTES_MAX: Final = 1 << 20
_LEFT_OUT: Final = b"\n(notices that nobody read are left out here)\n"


class Notices:
    """Standard error as a stream whose methods raise no error of the stream. Threads may share it.

    It is no ``io.TextIOBase``: Python flushes such a stream at its end, which would wait for the reader once more.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may raise in the middle, and its error is printed, too
        self._kept = bytearray()
        """What the reader has not taken yet."""
        self._is_at_work = False
        self._is_hurried = False
        self._stands_still = False
        """Whether the reader took nothing at the last look."""
        self._is_given_up = False
        """Whether the reader took nothing for so long that nobody waits for the reader any more."""

    def begin(self) -> None:
        """Begin with a command: nobody has asked it to end yet."""
        self._kept.clear()
        self._is_at_work = self._is_hurried = self._stands_still = self._is_given_up = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Wait for no reader in this block, in which answers are paid for and recorded, but at the end of the block."""
        self._is_at_work = True
        try:
            yield
        finally:
            self._is_at_work = False
            self.flush()

    def hurry(self) -> None:
        """Wait for no reader for long from now on: the process is asked to end. A signal handler may call this."""
        self._is_hurried = True

    @property
    def is_behind(self) -> bool:
        """Whether the reader has still to take what was written: this is no time for a picture of the moment."""
        self.flush()
        return bool(self._kept)

    def write(self, text: str, /) -> int:
        """Write a text, or keep it, or drop it if it can never be written."""
        stream = _stderr()
        number = _number_of(stream)
        if stream is not None and number is None:
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
        elif number is not None:
            with self._lock:
                self._keep(text.encode(self.encoding, "backslashreplace"))
                self._push(number)
        return len(text)

    def flush(self) -> None:
        """Write what is kept, as far as the reader takes it now; outside of :meth:`at_work`, wait for the reader."""
        number = _number_of(_stderr())
        if number is not None and self._kept:
            with self._lock:
                self._push(number)

    def isatty(self) -> bool:
        """Whether standard error is a terminal."""
        with suppress(AttributeError, OSError, ValueError):
            return bool(_stderr().isatty())  # type: ignore[union-attr]  # None is no terminal
        return False

    def fileno(self) -> int:
        """Return the number of standard error."""
        stream = _stderr()
        if stream is None:
            raise io.UnsupportedOperation("fileno")
        return stream.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of standard error."""
        return getattr(_stderr(), "encoding", None) or "utf-8"

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > _KEPT_BYTES_MAX:  # the last words say how the work ended
            start = self._kept.find(b"\n", len(self._kept) - _KEPT_BYTES_MAX // 2) + 1
            self._kept[:] = _LEFT_OUT + self._kept[start:]

    def _push(self, number: int) -> None:
        """Write what is kept until the reader stands still; wait for the reader if no chunk is in work."""
        size = _TERMINAL_PIECE_BYTES if os.isatty(number) else PIPE_PIECE_BYTES
        began = taken_at = time.monotonic()
        while self._kept:
            seconds = READER_LOOK_SECONDS
            if self._is_at_work:
                seconds = 0.0 if self._stands_still else max(0.0, began + READER_LOOK_SECONDS - time.monotonic())
            try:
                written = os.write(number, self._kept[:size]) if can_take(number, seconds) else 0
            except BlockingIOError:  # somebody has set the stream so
                written = 0
                time.sleep(seconds)
            except OSError:  # nobody will ever read this
                self._kept.clear()
                return
            del self._kept[:written]
            self._stands_still = not written
            if written:
                self._is_given_up, taken_at = False, time.monotonic()
            elif self._is_hurried and time.monotonic() - taken_at >= READER_PATIENCE_SECONDS:
                self._is_given_up = True
            if self._stands_still and (self._is_at_work or self._is_given_up):
                return


def can_take(number: int, seconds: float = 0.0) -> bool:
    """Return whether a write to an open file waits for no reader; wait up to ``seconds`` until that is so."""
    try:
        return bool(select.select((), (number,), (), seconds)[1])
    except (OSError, ValueError):  # a number of 1,024 is too large
        return True


def _stderr() -> IO[str] | None:
    """Return the standard error of this moment, behind the one that Rich puts in front of it during a live line."""
    stream: IO[str] | None = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return stream


def _number_of(stream: IO[str] | None) -> int | None:
    """Return the number of a stream; None if it has none, as where a program around catches the text."""
    if stream is None:
        return None
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


NOTICES: Final = Notices()
"""Standard error of this process."""


class _Waits(Handler):
    """Hands on the lines of the log about waits and the work of other programs, and no other line."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: LogRecord) -> None:
        """Hand on the text of a line."""
        if getattr(record, "is_wait", False):
            self._say(record.getMessage())


@contextmanager
def saying_waits(say: Callable[[str], object]) -> Iterator[None]:
    """In this block, call ``say`` with the text of each wait, and of the work of another program."""
    log, handler = getLogger("checkpoint_store"), _Waits(say)
    level = log.level
    log.addHandler(handler)
    log.setLevel(min(INFO, log.getEffectiveLevel()))
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
