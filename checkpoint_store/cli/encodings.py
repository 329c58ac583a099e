"""Text for a standard output whose encoding, if it is not UTF-8, lacks some characters."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def stdout_says_all() -> bool:
    """Return whether every character can be written to standard output, or nobody reads it."""
    encoding = getattr(sys.stdout, "encoding", None)
    return encoding is None or _says_all(encoding)


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
