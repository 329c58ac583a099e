"""The output file: joined, written whole or not at all, and never over what somebody else wrote since."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from checkpoint_store import Job


class UnusableOutputError(Exception):
    """The output file cannot be written there; the message is one line and names the file."""


def check_output(path: Path) -> None:
    """Raise unless a file can be written at ``path``; nothing is written."""
    if path.exists() and not path.is_file():
        raise UnusableOutputError(f"{path} is not a regular file; the output must be one")
    if not path.parent.is_dir():
        raise UnusableOutputError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "name another file with --output"
        raise UnusableOutputError(f"{path}: no permission to write in {path.parent}; {remedy}")


def cleaned_texts(job: Job) -> Iterator[str]:
    """Yield each chunk's cleaned text, in order."""
    for index, result in job.items():
        text = result.get("cleaned_text") if isinstance(result, dict) else None
        if not isinstance(text, str):
            missing = f"chunk {index} of job {job.job_id} has no cleaned_text"
            raise UnusableOutputError(f"{missing}; begin anew with --fresh")
        yield text


def is_current(path: Path, done_at: datetime) -> bool:
    """Whether the file was written after the job's last chunk: by this command, or by a person since."""
    return path.exists() and path.stat().st_mtime >= done_at.timestamp()


def write_output(path: Path, parts: Iterable[str]) -> None:
    """Write the text to ``path`` in one step: at every moment the file is the old or the new one, whole."""
    target = path.resolve()  # of a symbolic link, the file that it names is replaced
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        raise UnusableOutputError(f"{path} could not be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
