"""What ``run`` wrote, and where: so that it replaces what it wrote itself, and nothing else.

``NAME.outputs`` beside the store has a line of JSON for each output that was written: its path, the input's name and
the SHA-256 of the text. Lines are only ever appended, in one call each, so no lock is needed; one that is torn, or
the whole file lost, means that a later run asks before it replaces something.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

_PRIVATE: Final = 0o600
_PIECE_BYTES: Final = 1 << 20


class Written:
    """The outputs that runs with one store wrote."""

    def __init__(self, store_path: Path) -> None:
        self._folder = os.path.realpath(store_path.parent)
        self._path = Path(self._folder, f"{store_path.name.removesuffix('.db')}.outputs")

    def digests(self, output: Path, file_name: str) -> set[str]:
        """Return the digest of each text that was written to ``output`` for the input called ``file_name``."""
        wanted = [self._name(output), file_name]
        return {line[2] for line in self._lines() if line[:2] == wanted}

    def remember(self, output: Path, file_name: str, digest: str) -> None:
        """Say that this text is written there for this input. Where that fails, a later run asks."""
        if digest in self.digests(output, file_name):
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        line = json.dumps([self._name(output), file_name, digest])
        with suppress(OSError):
            file = os.open(self._path, flags, _PRIVATE)
            try:
                if stat.S_ISREG(os.fstat(file).st_mode):
                    os.write(file, f"\n{line}\n".encode())  # the line before may be torn
            finally:
                os.close(file)

    def _lines(self) -> list[list[str]]:
        found = []
        with suppress(OSError):
            if self._path.is_symlink() or not self._path.is_file():
                return []
            for line in self._path.read_text("utf-8", "replace").splitlines():
                with suppress(ValueError):
                    value = json.loads(line)
                    if isinstance(value, list) and [type(part) for part in value] == [str, str, str]:
                        found.append(value)
        return found

    def _name(self, output: Path) -> str:
        """Return the path from the store's folder: the folder may be moved, or mounted elsewhere."""
        return os.path.relpath(os.path.realpath(output), self._folder)


def digest_of(text: str) -> str:
    """Return the digest of a text as it is written."""
    return sha256(text.encode("utf-8")).hexdigest()


def digest_at(path: Path) -> str | None:
    """Return the digest of the file at ``path``, or None where there is none."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
