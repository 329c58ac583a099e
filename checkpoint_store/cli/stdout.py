"""Standard output: what its encoding takes, and JSON as one whole document, also if its reader stands still."""

from __future__ import annotations

import codecs
import json
import os
import re
import select
import signal
import stat
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.ended import ENDING_SIGNALS, is_ending, undisturbed
from checkpoint_store.cli.notices import PIPE_PIECE_BYTES, READER_LOOK_SECONDS, READER_PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console


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
    try:
        number = sys.stdout.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, OSError, ValueError):  # it is closed, or an object of the program around
        return None
    return number if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def sayable(text: str, console: Console) -> str:
    """Return a text for people, with an escape for each character that the console's encoding lacks."""
    if _says_all(console.encoding):
        return text
    return text.encode(console.encoding, "backslashreplace").decode(console.encoding)


def unsayable_message(error: UnicodeEncodeError) -> str:
    """Return the message for data that standard output cannot take as it is."""
    lacking = ascii(error.object[error.start])
    if _says_all(error.encoding):
        return f"a text has {lacking} in it, half of a character that was cut in two, which cannot be written"
    return (
        f"standard output is written in {error.encoding}, which has no {lacking}; "
        "set PYTHONIOENCODING=utf-8, or read the data with --json"
    )


def _says_all(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith("utf")


_ESCAPED: Final = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a screen, and the halves of characters by which Python names a byte of a file's name that is no UTF-8."""


_HELD_BACK: Final = (signal.SIGINT, *ENDING_SIGNALS)


class _Document:
    """The document of a command."""

    has_open_array = False
    """Whether elements of an array are printed, and its end is not."""
    is_whole = False
    """Whether the document is printed: an error after that prints no second document."""


def begin_document() -> None:
    """Begin with the document of a command."""
    _Document.has_open_array = _Document.is_whole = False


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print_text(f"{_json_of(value, indent=2)}\n")


def _json_of(value: Any, indent: int | None = None) -> str:
    encoding = getattr(sys.stdout, "encoding", None)
    is_ascii = encoding is not None and not _says_all(encoding)
    return harmless_json(json.dumps(value, indent=indent, ensure_ascii=is_ascii, default=str))


def print_array(elements: Iterable[Any]) -> None:
    """Print one JSON array with an element a line; memory holds one element at a time.

    Where an error ends it, :func:`print_error` makes that the last element, so that the document is whole.
    """
    _Document.has_open_array = False
    for element in elements:
        print_text(f"{',' if _Document.has_open_array else '['}\n  {_json_of(element)}", in_array=True)
    print_text("\n]\n" if _Document.has_open_array else "[]\n")


def print_error(message: str, kind: str, exit_code: int, *, by_signal: bool = False) -> None:
    """Print an error: a document of its own, or the last element of the array that it ends.

    Where the document is whole, nothing is printed. ``by_signal``: the error is a signal that ends the process.
    """
    if _Document.is_whole:
        return
    error = {"error": message, "type": kind, "exit_code": exit_code}
    text = f",\n  {_json_of(error)}\n]" if _Document.has_open_array else _json_of(error, indent=2)
    print_text(f"{text}\n", by_signal=by_signal)


def print_text(text: str, *, in_array: bool = False, by_signal: bool = False) -> None:
    """Print a text as it is. Neither Ctrl-C nor SIGTERM tears it: what is printed behind it would be no JSON.

    Only where the reader stands still does a signal end the process in the middle: nothing is printed any more then.
    """
    with undisturbed(), _uninterrupted():
        is_printed = write_patiently(
            text, lambda: by_signal or is_ending() or not signal.sigpending().isdisjoint(_HELD_BACK)
        )
        _Document.has_open_array, _Document.is_whole = in_array and is_printed, not (in_array and is_printed)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the end of this block.

    A write that a signal interrupts is short. Where Python does not buffer (PYTHONUNBUFFERED), the rest would be lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def harmless_json(text: str) -> str:
    r"""Return an equal JSON text with escapes (``\u009b``) for what steers a screen, and for what no encoding takes."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
