"""The inputs of a run, all read and checked before any work is done on the first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store.cli.transcripts.read import read_transcript
from checkpoint_store.cli.transcripts.write import check_output

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnusableInputError(Exception):
    """The files named cannot be worked on together; the message is one line."""


@dataclass(frozen=True, slots=True)
class Input:
    """A transcript and where its cleaned text goes."""

    path: Path
    text: str
    output: Path


def default_output(path: Path) -> Path:
    """Return where the cleaned text of ``path`` goes: ``talk.srt`` -> ``talk.cleaned.txt``."""
    return path.parent / f"{path.stem}.cleaned.txt"


def read_inputs(paths: Sequence[Path], output: Path | None) -> tuple[list[Input], list[Path]]:
    """Read every input and check every output; return them, and the paths that were passed over.

    Passed over are the outputs of other inputs: ``*.txt`` names them from the second run on.

    Raises:
        UnusableInputError: two inputs have the same output, or one is its own.
        UnreadableTranscriptError: a file holds no transcript.
        UnusableOutputError: an output cannot be written.
    """
    products = {default_output(path) for path in paths if output is None}
    chosen = [path for path in dict.fromkeys(paths) if path not in products]
    passed_over = [path for path in dict.fromkeys(paths) if path in products]
    targets: dict[str, Path] = {}
    for path in chosen:
        target = output or default_output(path)
        check_output(target)
        _check_apart(path, target, targets)
    inputs = [Input(path, read_transcript(path), output or default_output(path)) for path in chosen]
    return inputs, passed_over


def _check_apart(path: Path, target: Path, targets: dict[str, Path]) -> None:
    if os.path.realpath(target) == os.path.realpath(path):
        raise UnusableInputError(f"{path}: the output would replace the input; name another with --output")
    other = targets.setdefault(os.path.realpath(target), path)
    if other is not path:
        remedy = "run them one by one with --output"
        raise UnusableInputError(f"{other} and {path} would both be written to {target}; {remedy}")


def job_name(path: Path, store_path: Path) -> str:
    """Return what the job of ``path`` is called: its path from the store's folder, or all of it if elsewhere.

    So one file has one name, whatever folder the command is called from.
    """
    folder = Path(os.path.realpath(store_path.parent))
    full = Path(os.path.realpath(path.parent)) / path.name
    return (full.relative_to(folder) if full.is_relative_to(folder) else full).as_posix()
