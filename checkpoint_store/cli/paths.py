"""File names as people write and read them, and lines that they can type unchanged."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.early import own_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store import CheckpointStore

    ParamType = click.ParamType
else:

    class ParamType(click.ParamType):
        """A type of click's, with the type of its values in brackets, which older versions of click do not take."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


STANDARD: Final = Path("-")
"""Stands for standard input, or standard output."""
_TYPED: Final = frozenset(range(0x20, 0x7F)) - set(b"'\\")
"""The bytes that stand for themselves in ``$'…'``."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""A character that steers a screen, ends a line, or lets a text be read backwards."""
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""The beginning of an address, such as ``https://`` or ``s3://``."""
_PROGRAM_BEGINS: Final = (b"#!", b"\x7fELF")


class FileOrDash(ParamType[Path]):
    """A path; ``-`` is :data:`STANDARD`, and ``./-`` the file of that name.

    ``device`` is another name of the stream. Files beside that name would lie in the folder of the devices. If
    ``is_named``, the stream is refused. A ``sign`` before a path is no part of it.
    """

    name = "path"

    def __init__(self, device: str = "/dev/stdout", *, is_named: bool = False, sign: str = "") -> None:
        self._device, self._is_named, self._sign = device, is_named, sign

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        if isinstance(value, Path):
            return value
        text = value.removeprefix(self._sign)
        if text in ("-", self._device):
            if self._is_named:
                self.fail("- is no file; name one.", param, ctx)
            return STANDARD
        if not text or "\0" in text:
            self.fail(f"{text!r} is not the name of a file.", param, ctx)
        if _ADDRESS.match(text) and not os.path.lexists(text):  # a path has one slash where the address has two
            self.fail(f"{on_one_line(printable(text))} is an address; give the path of a local file.", param, ctx)
        path = Path(text)
        return path.absolute() if path == STANDARD else path


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a file name as text that every store and screen can hold: a byte that is no UTF-8 becomes ``\xe9``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def on_one_line(name: str) -> str:
    r"""Return a name for a line of a report: a line end becomes ``\n``, and so on."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), name)


def is_same_place(path: Path, other: Path) -> bool:
    """Whether two paths lead to one place, through links and through mounts. No file need be there."""
    first, second = (Path(os.path.realpath(name)) for name in (path, other))
    if first == second:
        return True
    with suppress(OSError):  # a folder is missing
        return first.name == second.name and first.parent.samefile(second.parent)
    return False


def owner_of(store: CheckpointStore, store_path: Path, path: Path) -> Path | None:
    """Return the store to which a path belongs, this store or another store; None if it belongs to no store.

    ``store`` may be a stand-in, of the same name in another folder, for a store that does not exist yet.
    """
    resolved = Path(os.path.realpath(path))
    is_beside = is_same_place(resolved, store_path.parent / resolved.name)
    if store.owns(path) or (is_beside and store.owns(store.path.parent / resolved.name)):
        return store_path
    return store.owner_of(resolved)


def shell_words(words: Sequence[str]) -> str:
    """Return a command line that a POSIX shell reads as these words."""
    return " ".join(map(_shell_word, words))


def _shell_word(word: str) -> str:
    if not _CONTROL.search(word) and printable(word) == word:
        return shlex.quote(word)
    # $'…' of bash and zsh: each byte that cannot be typed, quote or backslash is written by its number.
    encoded = os.fsencode(word)
    plain = (chr(byte) if byte in _TYPED else f"\\x{byte:02x}" for byte in encoded)
    return f"$'{''.join(plain)}'"


def as_argument(path: Path) -> str:
    """Return how a path is typed as an argument: ``./-talk.srt``, which is no option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") and path != STANDARD else text


def path_text(path: Path) -> str:
    """Return a path for a message: as an argument that names it, printable, on one line."""
    return on_one_line(printable(as_argument(path)))


def input_text(path: Path) -> str:
    """Return the path of an input for a message; standard input has no path."""
    return "standard input" if path == STANDARD else path_text(path)


def why_no_new_file(folder: Path) -> str | None:
    """Return why no file can be made in a folder that exists; None if a file can be made."""
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    with suppress(OSError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return f"the file system of {path_text(folder)} is read-only"
    return f"no permission to write in {path_text(folder)}"


def is_program(path: Path) -> bool:
    """Whether a file can be run, and says by its first bytes that it is a program or a script."""
    with suppress(OSError):
        if path.is_file() and os.access(path, os.X_OK):
            with path.open("rb") as file:
                return file.read(4).startswith(_PROGRAM_BEGINS)
    return False


def job_name(path: Path, store_path: Path) -> str:
    """Return the name of the job of ``path``: its path relative to the store's folder, or its whole path if elsewhere.

    So a file has one name, whichever folder the command is called from. Standard input is ``-``.
    """
    if path == STANDARD:
        return str(STANDARD)
    folder = Path(os.path.realpath(store_path.parent))
    full = Path(os.path.realpath(path.parent)) / path.name
    return printable((full.relative_to(folder) if full.is_relative_to(folder) else full).as_posix())


def composed(name: str) -> str:
    """Return the name of a file as a store compares it: in NFC."""
    return unicodedata.normalize("NFC", name)


DEFAULT_STORE: Final = ".processing_state.db"
STORE_VARIABLE: Final = "CHECKPOINT_STORE"
"""The environment variable that names another store than the default one."""


def typed_line(words: Sequence[str], store_path: str | os.PathLike[str], *more: str) -> str:
    """Return ``checkpoint-store`` with these words and the store, quoted for a shell.

    ``more`` is what the reader is to fill in, as it is: ``FILE``, ``[-- COMMAND]``.
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
    words = own_words(argv)
    named = os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--store" and following:
            named = following
        elif word.startswith("--store="):
            named = word.removeprefix("--store=")
    return named
