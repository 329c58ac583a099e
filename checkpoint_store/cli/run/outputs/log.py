"""The log of the outputs that ``run`` wrote, so that it replaces its own outputs and no other file.

``NAME.outputs`` beside the store has a line of JSON for each output that was written: its path, the input's name, the
SHA-256 of the text and the id of the job. Lines are appended, in one call each, so no lock is needed. If a line is
torn, or the file is lost, a later run refuses to replace the output without ``--force``.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store import CheckpointStoreError, replace_file
from checkpoint_store.cli.options import sibling_of
from checkpoint_store.cli.paths import printable

if TYPE_CHECKING:
    from collections.abc import Collection

_PRIVATE: Final = 0o600
_FIELD_COUNT: Final = 4
"""The number of fields of a line: the output, the name of the input, the digest of the text, and the job."""


class OutputLog:
    """The log of the outputs that runs with one store wrote."""

    def __init__(self, store_path: Path) -> None:
        self.store_path: Final = store_path
        self._folder = os.path.realpath(store_path.parent)
        self.path: Final = sibling_of(Path(self._folder, store_path.name), ".outputs")

    def digests(self, output: Path, file_name: str, job_ids: Collection[str]) -> set[str]:
        """Return the digest of each text that one of these jobs, of the input ``file_name``, wrote to ``output``."""
        key = [self._relative_path(output), file_name]
        own_lines = (line for line in self._lines() if line[:2] == key)
        return {digest for *_, digest, job_id in own_lines if job_id in job_ids}

    def has_text_of(self, job_id: str) -> bool:
        """Return whether an output that this job wrote still exists, edited or not."""
        return any(os.path.lexists(Path(self._folder, line[0])) for line in self._lines() if line[3] == job_id)

    def record(self, output: Path, file_name: str, digest: str, job_id: str) -> None:
        """Record that this text of this job is written to ``output``. Without that, a later run does not replace it."""
        line = [self._relative_path(output), file_name, digest, job_id]
        if line in self._lines():
            return
        with suppress(OSError):
            file = open_to_append(self.path, os.O_WRONLY | os.O_CREAT)
            try:
                if not os.fstat(file).st_size:
                    give_to_owner(self.path, self.store_path)
                os.write(file, f"\n{json.dumps(line)}\n".encode())  # the line before may be torn: begin a new one
            finally:
                os.close(file)

    def forget(self, job_id: str) -> None:
        """Remove the lines of a deleted job.

        What a run records at this very moment may get lost: its next run asks for ``--force``.
        """
        lines = self._lines()
        left_lines = [line for line in lines if line[3] != job_id]
        if len(left_lines) < len(lines):
            with suppress(CheckpointStoreError):  # the lines of a job that is gone count for nothing
                replace_file(self.path, [f"{json.dumps(line)}\n" for line in left_lines], like=self.store_path)

    def _lines(self) -> list[list[str]]:
        lines = []
        with suppress(OSError):
            if self.path.is_symlink() or not self.path.is_file():
                return []
            for line in self.path.read_text("utf-8", "replace").splitlines():
                with suppress(ValueError):
                    value = json.loads(line)
                    if isinstance(value, list) and len(value) == _FIELD_COUNT and {str} == set(map(type, value)):
                        lines.append(value)
        return lines

    def _relative_path(self, output: Path) -> str:
        """Return the path relative to the store's folder, which may be moved or mounted elsewhere."""
        return printable(os.path.relpath(os.path.realpath(output), self._folder))


def open_to_append(path: Path, flags: int) -> int:
    """Open a regular file of this command, no symlink, to append to it; return its descriptor. A new one is private."""
    flags |= os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # wait for nobody at a pipe
    file = os.open(path, flags, _PRIVATE)
    try:
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        if flags & os.O_CREAT and mode & _PRIVATE != _PRIVATE:  # a umask can take rights from the owner, too
            with suppress(OSError):  # a file of another user stays as it is
                os.fchmod(file, _PRIVATE)
    except BaseException:
        os.close(file)
        raise
    return file


def give_to_owner(made: Path, like: Path) -> None:
    """As root, give a file that was just made to the owner of ``like``, who could not use it otherwise."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        owner = like.stat()
        os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


def digest_of(text: str) -> str:
    """Return the digest of a text as UTF-8."""
    return sha256(text.encode("utf-8")).hexdigest()


def digest_at(path: Path) -> str | None:
    """Return the digest of the file at ``path``, or None if there is no file."""
    try:
        with path.open("rb") as file:
            return file_digest(file, sha256).hexdigest()
    except FileNotFoundError:
        return None
