"""JSON on standard output: one whole document, whatever happens while it is printed."""

from __future__ import annotations

import json
import re
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.encodings import stdout_says_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STEERS: Final = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _Array:
    """The array that is being printed."""

    is_open = False
    """Whether elements of it are printed, and its end is not."""


def print_json(value: Any) -> None:
    """Print one JSON document."""
    text = json.dumps(value, indent=2, ensure_ascii=not stdout_says_all(), default=str)
    print_text(f"{harmless_json(text)}\n")


def print_array(elements: Iterable[Any]) -> None:
    """Print one JSON array with an element a line; memory holds one element at a time.

    Where an error ends it, :func:`print_error` makes that the last element, so that the document is whole.
    """
    _Array.is_open = False
    for element in elements:
        text = harmless_json(json.dumps(element, ensure_ascii=not stdout_says_all()))
        print_text(f"{',' if _Array.is_open else '['}\n  {text}", in_array=True)
    print_text("\n]\n" if _Array.is_open else "[]\n")


def print_error(message: str, kind: str, exit_code: int) -> None:
    """Print an error: a document of its own, or the last element of the array that it ends."""
    error = {"error": message, "type": kind, "exit_code": exit_code}
    if _Array.is_open:
        print_text(f",\n  {harmless_json(json.dumps(error, ensure_ascii=not stdout_says_all()))}\n]\n")
    else:
        print_json(error)


def print_text(text: str, *, in_array: bool = False) -> None:
    """Print a text as it is. No Ctrl-C tears it: what is printed behind it would be no JSON."""
    with _uninterrupted():
        click.echo(text, nl=False)
        _Array.is_open = in_array


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the end of this block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def harmless_json(text: str) -> str:
    r"""Return a JSON text with what steers a screen written as ``\u009b``: it means the same."""
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
