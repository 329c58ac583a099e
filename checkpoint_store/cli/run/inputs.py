"""The inputs of a run; all of them are read and checked before the work on the first begins."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkpoint_store.cli.paths import STANDARD, is_same_place, path_text
from checkpoint_store.cli.run.outputs.output import check_output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.cli.run.content import Content


class UnusableInputError(Exception):
    """The inputs cannot be run together; the message is one line."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input, what is in it, and the path of its output."""

    path: Path
    content: Content
    output: Path


def default_output(path: Path) -> Path:
    """Return the default output of an input: ``talk.cleaned.txt`` for ``talk.srt``, stdout for stdin."""
    return STANDARD if path == STANDARD else path.parent / f"{path.stem}.cleaned.txt"


def read_inputs(
    paths: Sequence[Path], output: Path | None, read: Callable[[Path], Content]
) -> tuple[list[Input], dict[Path, str]]:
    """Check every output and read every input; return the inputs, and for each skipped path the reason.

    Outputs of other inputs are skipped: ``*.txt`` names them from the second run on. So is a second name of a file: the
    chunks would be paid for once more.

    Args:
        paths: the inputs.
        output: the output of the one input, if it is not the default one.
        read: returns the chunks of an input.

    Raises:
        UnusableInputError: two inputs have the same output, or an input is its own output.
        UnreadableTranscriptError: a file holds no transcript.
        UnusableOutputError: an output cannot be written.
    """
    products = {default_output(path) for path in paths if output is None} - {STANDARD}
    skipped = {path: "what another FILE was cleaned to" for path in paths if path in products}
    skipped |= _second_names([path for path in dict.fromkeys(paths) if path not in products])
    chosen = [path for path in dict.fromkeys(paths) if path not in skipped]
    targets: dict[str, Path] = {}
    for path in chosen:
        target = output or default_output(path)
        if output is not None or path.parent.exists():  # otherwise reading says that there is no FILE
            check_output(target)
        if target != STANDARD:
            _check_no_collision(path, target, targets)
    return [Input(path, read(path), output or default_output(path)) for path in chosen], skipped


def _second_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the paths whose file another path names, too; of a file and its symbolic link, the link."""
    names: dict[tuple[int, int], Path] = {}
    skipped = {}
    for path in sorted(paths, key=lambda path: path.is_symlink()):
        with suppress(OSError):  # reading it says what is wrong
            status = path.stat()
            first = names.setdefault((status.st_dev, status.st_ino), path)
            if first is not path:
                skipped[path] = f"another name of {path_text(first)}"
    return skipped


def _check_no_collision(path: Path, target: Path, targets: dict[str, Path]) -> None:
    if is_same_place(target, path):
        raise UnusableInputError(f"{path_text(path)}: the output would replace the input; name another with --output")
    other = targets.setdefault(os.path.realpath(target), path)
    if other is not path:
        names, remedy = f"{path_text(other)} and {path_text(path)}", "run them one by one with --output"
        raise UnusableInputError(f"{names} would both be written to {path_text(target)}; {remedy}")
