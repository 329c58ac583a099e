"""A ``run`` without the two dashes before its COMMAND, whose words are then taken for files."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.paths import printable, shell_words

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM_BEGINS: Final = (b"#!", b"\x7fELF")


def command_hint(words: Sequence[str], command: click.Command) -> str | None:
    """Return how to write a command line that has no ``--`` before its COMMAND, or None if no word looks like one.

    Args:
        words: the command line, with the program.
        command: ``run`` or ``plan``, which says what options it has.
    """
    options = [one for one in command.params if isinstance(one, click.Option)]
    take_a_value = {name for one in options if not one.is_flag for name in one.opts}
    has_file = False
    for position in range(2, len(words)):
        word = words[position]
        if word.startswith("-") or words[position - 1] in take_a_value:
            continue
        if has_file and looks_like_a_command(word):
            line = shell_words([*words[1:position], "--", *words[position:]])
            return f"COMMAND comes after --: checkpoint-store {line}"
        has_file = True
    return None


def looks_like_a_command(word: str) -> bool:
    """Whether a word that stands where a file is expected is a program: one of the PATH, or a file that is one."""
    if shutil.which(word) is None:
        return False
    return not os.path.lexists(word) or _is_program(Path(word))


def _is_program(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(4).startswith(_PROGRAM_BEGINS)
    return False


def refuse_programs(files: Sequence[Path]) -> None:
    """Raise a usage error if a FILE behind the first one is a program: it would be cleaned as a text is."""
    for path in files[1:]:
        if os.access(path, os.X_OK) and path.is_file() and _is_program(path):
            raise click.UsageError(f"{printable(path)} is a program, and no text.")
