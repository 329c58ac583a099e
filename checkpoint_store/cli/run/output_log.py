"""The log of the outputs that ``run`` wrote, so that it replaces its own outputs and no other file.

``NAME.outputs`` beside the store has a line of JSON for each output that was written: its path, the input's name and
the SHA-256 of the text. Lines are only appended, in one call each, so no lock is needed. If a line is torn, or the
file is lost, a later run refuses to replace the output without ``--force``.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from checkpoint_store.cli.options import sibling_of

PRIVATE: Final = 0o600
_READ_BYTES: Final = 1 << 20


class OutputLog:
    """The log of the outputs that runs with one store wrote."""

    def __init__(self, store_path: Path) -> None:
        self.store_path: Final = store_path
        self._folder = os.path.realpath(store_path.parent)
        self._path = sibling_of(Path(self._folder, store_path.name), ".outputs")

    def digests(self, output: Path, file_name: str) -> set[str]:
        """Return the digest of each text that was written to ``output`` for the input called ``file_name``."""
        key = [self._relative_path(output), file_name]
        return {line[2] for line in self._lines() if line[:2] == key}

    def record(self, output: Path, file_name: str, digest: str) -> None:
        """Record that this text is written to ``output`` for this input. Without the record a later run refuses."""
        if digest in self.digests(output, file_name):
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        line = json.dumps([self._relative_path(output), file_name, digest])
        with suppress(OSError):
            file = os.open(self._path, flags, PRIVATE)
            try:
                if stat.S_ISREG(os.fstat(file).st_mode):
                    if not os.fstat(file).st_size:
                        give_to_owner(self._path, self.store_path)
                    os.write(file, f"\n{line}\n".encode())  # the line before may be torn: begin a new one
            finally:
                os.close(file)

    def _lines(self) -> list[list[str]]:
        lines = []
        with suppress(OSError):
            if self._path.is_symlink() or not self._path.is_file():
                return []
            for line in self._path.read_text("utf-8", "replace").splitlines():
                with suppress(ValueError):
                    value = json.loads(line)
                    if isinstance(value, list) and [type(part) for part in value] == [str, str, str]:
                        lines.append(value)
        return lines

    def _relative_path(self, output: Path) -> str:
        """Return the path relative to the store's folder, which may be moved or mounted elsewhere."""
        return os.path.relpath(os.path.realpath(output), self._folder)


def give_to_owner(made: Path, like: Path) -> None:
    """As root, give a file that was just made to the owner of ``like``, who could not use it otherwise."""
    if os.name == "nt" or os.geteuid() != 0:
        return
    with suppress(OSError):
        owner = like.stat()
        os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


def digest_of(text: str) -> str:
    """Return the digest of a text as UTF-8."""
    return sha256(text.encode("utf-8")).hexdigest()


def digest_at(path: Path) -> str | None:
    """Return the digest of the file at ``path``, or None if there is no file."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            for data in iter(lambda: file.read(_READ_BYTES), b""):
                digest.update(data)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
