"""Hints for the name of a file to write that was typed where a command takes something else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.paths import shell_words
from checkpoint_store.cli.typed_line import store_named_by, typed_line
from checkpoint_store.errors import JobNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRITTEN: Final = (".json", ".jsonl", ".csv", ".tsv", ".html", ".htm")
"""The suffixes of files that people have a command write, and that few jobs have in their names."""
_TEXTS: Final = (".txt", ".md", ".log", ".out")
"""Other suffixes of such files: a name of this kind in the place of a job is rather that of another job."""
_PRINTS: Final = frozenset(
    ("list", "show", "results", "chunks", "errors", "path", "check", "doctor", "plan", "datasette-metadata")
)
"""The commands that print, and write no file. ``plan`` takes ``--output`` for the run that it is about."""
_OUTPUT_OPTIONS: Final = ("-o", "--output", "--out", "--output-file")
_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((.+)\)")


def output_hint(error: Exception, words: Sequence[str]) -> str | None:
    """Return the line that writes the file which a command line seems to name, or None.

    Args:
        error: what the command line ended with.
        words: the command line; its first word is the program.
    """
    command = words[1] if len(words) > 1 else ""
    if isinstance(error, click.NoSuchOption):
        return _line(command, None, words) if error.option_name in _OUTPUT_OPTIONS else None
    if isinstance(error, JobNotFound):
        name = error.job_id
        is_output = not error.matches and Path(name).suffix in _WRITTEN
        return _line(command, name, words) if is_output else None
    extra = _EXTRA.fullmatch(error.message) if isinstance(error, click.UsageError) else None
    name = extra[1].split()[-1] if extra is not None else ""
    is_output = Path(name).suffix in (*_WRITTEN, *_TEXTS) or (command == "backup" and name != "")
    return _line(command, name, words) if is_output else None


def _line(command: str, name: str | None, words: Sequence[str]) -> str | None:
    """Return how a command is told to write a file of this name; None for a command that neither writes nor prints."""
    file, store = shell_words([name]) if name is not None else "PATH", store_named_by(words)
    if command == "export":
        return f"The file to write comes after the job: {typed_line([command], store, 'JOB', file)}"
    if command == "report":
        return f"To write the page there: {typed_line([command], store, '-o', file)}"
    if command == "backup":
        return f"The copy is of the whole store, and its name is the one argument: {typed_line([command], store, file)}"
    if command not in _PRINTS:
        return None
    form = " --json" if file.endswith(".json") else ""
    return f"{command} prints; to have that in a file, end the line with:{form} > {file}"
