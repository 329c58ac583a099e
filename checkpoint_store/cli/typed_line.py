"""Lines that people are told to type: each works unchanged in the folder and the shell that it was printed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.paths import shell_words

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_STORE: Final = ".processing_state.db"
STORE_VARIABLE: Final = "CHECKPOINT_STORE"
"""The environment variable that names another store than the default one."""


def typed_line(words: Sequence[str], store_path: str | os.PathLike[str], *more: str) -> str:
    """Return ``checkpoint-store`` with these words and the store, quoted for a shell.

    Args:
        words: the command and its arguments.
        store_path: the store, as it was named or as it is.
        more: what the reader is to fill in, as it is: ``FILE``, ``[-- COMMAND]``.
    """
    return " ".join([shell_words(["checkpoint-store", *words, *store_words(store_path)]), *more])


def store_words(store_path: str | os.PathLike[str]) -> list[str]:
    """Return the words that name a store; no word for the store that a command takes by default."""
    is_default = is_same_path(store_path, DEFAULT_STORE)
    return [] if is_default and not os.environ.get(STORE_VARIABLE) else ["--store", os.fspath(store_path)]


def is_same_path(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to the same place, as they are written; also where the working folder was removed."""
    folder = current_folder()
    return folder / path == folder / other


def current_folder() -> Path:
    """Return the working folder; the root, if the working folder was removed: absolute paths alone lead anywhere."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.sep)


def store_named_by(argv: Sequence[str]) -> str:
    """Return the store of a command line that ended with an error."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    named = os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--store" and following:
            named = following
        elif word.startswith("--store="):
            named = word.removeprefix("--store=")
    return named
