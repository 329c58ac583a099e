"""The inputs of a run; all of them are read and checked before the work on the first begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store.cli.transcripts.reading.transcript import read_transcript
from checkpoint_store.cli.transcripts.write import check_output

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnusableInputError(Exception):
    """The inputs cannot be run together; the message is one line."""


@dataclass(frozen=True, slots=True)
class Input:
    """A transcript and the path of its cleaned text."""

    path: Path
    text: str
    output: Path
    reader: str | None = None
    """The format and the version of its reader, a part of the job's config; None for plain text."""


def default_output(path: Path) -> Path:
    """Return the default output of an input: ``talk.cleaned.txt`` for ``talk.srt``."""
    return path.parent / f"{path.stem}.cleaned.txt"


def read_inputs(
    paths: Sequence[Path], output: Path | None, encoding: str | None = None
) -> tuple[list[Input], list[Path]]:
    """Read every input and check every output; return the inputs and the skipped paths.

    Outputs of other inputs are skipped: ``*.txt`` names them from the second run on.

    Raises:
        UnusableInputError: two inputs have the same output, or an input is its own output.
        UnreadableTranscriptError: a file holds no transcript.
        UnusableOutputError: an output cannot be written.
    """
    products = {default_output(path) for path in paths if output is None}
    chosen = [path for path in dict.fromkeys(paths) if path not in products]
    skipped = [path for path in dict.fromkeys(paths) if path in products]
    targets: dict[str, Path] = {}
    for path in chosen:
        target = output or default_output(path)
        check_output(target)
        _check_no_collision(path, target, targets)
    inputs = []
    for path in chosen:
        transcript = read_transcript(path, encoding)
        inputs.append(Input(path, transcript.text, output or default_output(path), transcript.reader))
    return inputs, skipped


def _check_no_collision(path: Path, target: Path, targets: dict[str, Path]) -> None:
    if os.path.realpath(target) == os.path.realpath(path):
        raise UnusableInputError(f"{path}: the output would replace the input; name another with --output")
    other = targets.setdefault(os.path.realpath(target), path)
    if other is not path:
        remedy = "run them one by one with --output"
        raise UnusableInputError(f"{other} and {path} would both be written to {target}; {remedy}")


def job_name(path: Path, store_path: Path) -> str:
    """Return the name of the job of ``path``: its path relative to the store's folder, or its whole path if elsewhere.

    So a file has one name, whichever folder the command is called from.
    """
    folder = Path(os.path.realpath(store_path.parent))
    full = Path(os.path.realpath(path.parent)) / path.name
    return (full.relative_to(folder) if full.is_relative_to(folder) else full).as_posix()
