"""What the command needs before its extra is imported. This module needs nothing but the standard library."""

from __future__ import annotations

import errno
import io
import json
import sys
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODULES: Final = frozenset({"click", "rich", "charset_normalizer", "semantic_text_splitter"})


def what_to_install(error: Exception) -> str | None:
    """Return what an error of an import says to install, or None for any other error."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if name.partition(".")[0] not in _MODULES:
        return None
    return f"{name} is not installed; the command needs: pip install 'checkpoint-store[cli]'"


def asks_for_json(argv: Sequence[str]) -> bool:
    """Return whether ``--json`` is an option of a command line."""
    return "--json" in own_words(argv[1:])


def own_words(line: Sequence[str]) -> list[str]:
    """Return the words of a line before ``--``: what follows is COMMAND, with its own options."""
    return list(takewhile(lambda word: word != "--", line))


def tell_early(argv: Sequence[str], message: str, kind: str, exit_code: int) -> None:
    """Print an error that comes before the command is imported, as JSON if the command line asks for JSON."""
    if asks_for_json(argv):
        with suppress(OSError):
            print(json.dumps({"error": message, "type": kind, "exit_code": exit_code}, indent=2))
            sys.stdout.flush()


class ClosedOutput(io.TextIOBase):
    """The stream in the place of a closed standard output.

    Python sets a closed stream to None, and ``print`` then writes nothing and raises nothing: a command would end as
    done although nobody got its results.
    """

    encoding = "utf-8"
    errors = "strict"

    def write(self, text: str) -> int:
        """Raise :class:`OSError`, because there is no place for the text, unless it is empty."""
        if text:
            raise OSError(errno.EBADF, "it is closed")
        return 0
