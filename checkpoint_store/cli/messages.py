"""Translate messages of the library for the command line: a remedy that is a call becomes a command line."""

from __future__ import annotations

import ast
import errno
import os
import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.paths import DEFAULT_STORE, is_same_path, store_words, typed_line, why_no_new_file
from checkpoint_store.errors import StateFormatError, StorageUnavailableError, StoreTargetError

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EBADF})
"""The errors of a standard output that has no room, or is closed."""
_END_OF_LINE: Final = re.compile(r"(: checkpoint-store (?:(?!\. ).)*)\.$")
"""The full stop of a sentence that ends with a line to type: it is no part of the line."""
_HEAD_BYTES: Final = 1024
_STORE: Final = "\0STORE"
"""The placeholder for the store that the command works on: not every message of the library names the store."""
_TEXT: Final = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
"""A path as Python writes it."""


def spoken(message: str, store_path: str = DEFAULT_STORE) -> str:
    """Return a message of the library with the options and commands that do what its calls and arguments do.

    ``store_path`` is the store that the command works on, as it was named.
    """
    for pattern, replacement in _TABLE:
        message = pattern.sub(replacement, message)
    message = _END_OF_LINE.sub(r"\1", message)
    return message.replace(_STORE, "".join(f" {quote(word)}" for word in store_words(store_path)))


def message_of(error: BaseException, store_path: str = DEFAULT_STORE) -> str:
    """Return what the command prints of an error: also its notes, which say where a paid result is that has no room.

    A note that only repeats the error is left out.
    """
    notes = [note for note in getattr(error, "__notes__", ()) if str(error) not in note]
    return "\n".join([_message_of(error, store_path), *(spoken(note, store_path) for note in notes)])


def _message_of(error: BaseException, store_path: str) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, StoreTargetError) and _is_of_command(error, store_path):
        return f"{spoken(str(error), store_path)}{_in_its_place(error)}"
    if isinstance(error, StateFormatError) and error.path and _is_of_text(error):
        run = typed_line(["run", error.path], store_path)
        return f"{error.path} is no state file, such as export writes; to work on the text in it: {run}"
    if isinstance(error, StorageUnavailableError) and not os.access(folder := Path(error.path).parent, os.W_OK):
        reason = why_no_new_file(folder) if folder.is_dir() else f"there is no folder {folder}"
        safe = " What was recorded before is safe." if os.path.lexists(error.path) else ""
        return f"{error.path} cannot be written: {reason} ({spoken(error.reason, store_path)}).{safe}"
    if isinstance(error, OSError) and (text := _of_system(error)) is not None:
        return text
    return spoken(str(error), store_path)


def _of_system(error: OSError) -> str | None:
    if isinstance(error, FileNotFoundError) and error.filename is None:  # os.getcwd: files have names
        return "the working folder was removed: change into another folder, or give absolute paths"
    if error.filename or error.errno in _OF_OUTPUT:
        return f"{error.filename or 'standard output cannot be written'}: {error.strerror}"
    return None


def _is_of_command(error: StoreTargetError, store_path: str) -> bool:
    """Whether the file at fault is the store of the command, and no file that it reads or writes besides."""
    return error.use == "as a store" and bool(store_path) and is_same_path(error.target, store_path)


def _in_its_place(error: StoreTargetError) -> str:
    """Return the end of a message about a store that cannot be used: to begin a store, or to name another store."""
    if names_copy(error) or "write the entry" in error.reason:
        return ""
    if error.reason.endswith("create it first"):
        return ", or name another store with --store"
    is_new = error.reason.startswith(("there is no such file", "it is empty"))
    if is_new and os.access(Path(error.target).parent, os.W_OK):  # else to begin a store would fail, too
        return f"; begin one with: {typed_line(['run'], error.target, 'FILE')}, or name another with --store"
    return "" if ";" in error.reason else "; name another store with --store"


def _is_of_text(error: StateFormatError) -> bool:
    """Whether what was given as a state file is rather a text to work on than what is left of a state file."""
    path = Path(str(error.path))
    if not error.reason.startswith("is not JSON") or ".json" in path.name or path.suffix == ".bak":
        return False
    try:
        with path.open("rb") as file:
            return not file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except OSError:
        return False


def names_copy(error: StoreTargetError) -> bool:
    """Whether the store file is missing, and the error names a file beside it that a store can be made from."""
    return "recover_store(" in error.reason or names_kept_by_hand(error)


def names_kept_by_hand(error: StoreTargetError) -> bool:
    """Whether the error names a state file that a program keeps without a store."""
    return ".import_state(" in error.reason


def _words(text: str) -> list[str]:
    """Return the texts that Python writes like this, quoted for a shell."""
    return [quote(ast.literal_eval(word[0])) for word in re.finditer(_TEXT, text, re.DOTALL)]


def _of_store(verb: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"checkpoint-store {verb} --store {_words(match[1])[0]}"


def _option(name: str, rest: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{name} {_words(match[1])[0]} {rest}"


def _ignoring(match: re.Match[str]) -> str:
    return " ".join(["--on-change reuse", *(f"--reuse-ignoring {word}" for word in _words(match[1]))])


_TABLE: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (rf"\brecover_store\({_TEXT}, accept_loss=True\)", _of_store("recover --accept-loss")),
        (rf"\brecover_store\({_TEXT}\)", _of_store("recover")),
        (rf"\bmigrate\({_TEXT}\)", _of_store("migrate")),
        (
            rf"\bcall store\.job\({_TEXT}\)\.export\(path\)",
            lambda match: f"run checkpoint-store export {_words(match[1])[0]} FILE{_STORE}",
        ),
        (rf"\bstore\.job\({_TEXT}\)\.pause\(\)", lambda match: f"checkpoint-store pause {_words(match[1])[0]}{_STORE}"),
        (r"\bcall store\.import_state\(path\)", f"run checkpoint-store import FILE{_STORE}"),
        (
            rf"\bCheckpointStore\({_TEXT}\)\.import_state\({_TEXT}\)",
            lambda match: f"checkpoint-store import {_words(match[2])[0]} --store {_words(match[1])[0]}",
        ),
        (rf"\bCheckpointStore\({_TEXT}\)\.jobs\(\)", _of_store("list")),
        (rf"\bCheckpointStore\({_TEXT}\)\.prune\(\)", _of_store("prune --yes")),
        (rf"\bCheckpointStore\({_TEXT}\)\.backup\(destination\)", _of_store("backup DEST")),
        (
            r"(\bjob ([^\s:]+)(?: is being worked on|: this loop waits) .*)\bjob\.release_runner\((\d+)\)",
            rf"\1checkpoint-store release \2 --runner \3{_STORE}",
        ),
        (
            r"(\bjob ([^\s:]+): this loop waits .*)\bjob\.runners\(\)",
            rf"\1checkpoint-store show \2{_STORE}",
        ),
        (r"\bthis loop waits\b", "this run waits"),
        (r"(\bjob ([^\s:]+)[: ].*)\bjob\.retry_failed\(\)", rf"\1checkpoint-store retry \2{_STORE}"),
        (r", or pass state_file=PATH or None\b", ""),
        (r"\bpass replace=True|\bwith replace=True", "use --force"),
        (r"\breplace it use --force", "replace it with --force"),
        (r"call again, or open the store with a longer lock_timeout_seconds", "run the command again"),
        (r"\bcall again: the same object goes on, and repeating the last call is safe", "run the command again"),
        (r"\band call again: the same object goes on", "and run the command again"),
        (r"end it first, and call again", "end it first, and run the command again"),
        (r", or open it with read_only=True to read\b", ""),
        (r"\bread_only=True creates nothing", "a command that reads creates nothing"),
        (r"\bthis store was opened with read_only=True", "a command that reads writes nothing"),
        (r"\bwith cost= \(a field, [^)]*\)", "with --cost FIELD"),
        (r"\bwithout max_cost\b", "without --max-cost"),
        (r"\bthere is a max_cost\b", "there is a --max-cost"),
        (r"\bmax_cost is\b", "--max-cost is"),
        (r"\bwith a higher max_cost\b", "with a higher --max-cost"),
        (rf"^to={_TEXT} is not a schema", _option("--to", "is not a schema")),
        (rf"^indices={_TEXT} leaves out", _option("--chunks", "leaves out")),
        (rf"^reuse_ignoring={_TEXT} is none", _option("--reuse-ignoring", "is none")),
        (rf"^inputs\[{_TEXT}\] has", _option("--input: the file for", "has")),
        (r"^(?:video_)?(title|model|provider)=(?=.* has a lone surrogate\b)", r"--\1 "),
        (r"^every_seconds=", "--every "),
        (rf"on_change='reuse', reuse_ignoring=(\((?:{_TEXT},? ?)*\))", _ignoring),
        (r"; see job\.pending\(\)", ": the next run does it anyway. No chunk was marked"),
        (r"\bor pause the job, and call again", "or pause the job, and run the command again"),
        (r"^runner=(\d+) is no runner\b", r"--runner \1 is no runner"),
        (r"^chunk_index=(\d+) is not a chunk\b", r"\1 is not a chunk"),
        (r"; its chunks have indices only: open it with a mapping\b", "; its chunks have indices and no keys"),
        (r", or with a longer outage_seconds\b", ""),
        (r"\b([Rr])un the loop again\b", r"\1un the job again"),
    )
)
"""Pairs of a text of the library and its replacement, in the order in which they apply."""
