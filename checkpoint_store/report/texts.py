"""Inputs and results of chunks, in blocks: the page reads a block when its reader looks at a chunk of the block."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import InvalidArgumentError

if TYPE_CHECKING:
    from checkpoint_store import Job

BLOCK_CHUNKS: Final = 500
"""How many chunks share a block; the page counts with the same number."""
_DEPTH_MAX: Final = 200
"""The depth of the deepest result that a store takes."""
_INTEGER_BITS_MAX: Final = 10_000
"""Python makes no decimal text of an integer of more than 4,300 digits, about 14,000 bits."""
# What HTML reads in a script element, what ends a line of a script, what steers a terminal or turns the direction of a
# text around, and lone surrogates, which UTF-8 has no bytes for. JSON reads each of them by its number.
_ESCAPED: Final = re.compile("[<>&'\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def json_block(value: Any) -> str:
    """Return ``value`` as a JSON text that is safe in a script element; a value that is no JSON becomes its text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class PageRoom:
    """The room that the page still has for text and rows."""

    def __init__(self, text_bytes: int, rows: int) -> None:
        self.text_bytes, self.rows = text_bytes, rows

    def takes_rows(self, count: int) -> bool:
        """Return whether ``count`` rows fit, and take them if so."""
        if count > self.rows:
            return False
        self.rows -= count
        return True

    def takes_text(self, text: str) -> bool:
        """Return whether a text fits, and take it if so."""
        size_bytes = len(text.encode("utf-8", "surrogatepass"))
        if size_bytes > self.text_bytes:
            return False
        self.text_bytes -= size_bytes
        return True


class TextBlocks:
    """The texts of one job by block; what does not fit into the page is counted."""

    def __init__(self, room: PageRoom) -> None:
        self._room = room
        self._blocks: dict[int, dict[str, list[str]]] = {}
        self.left_out = {"results": 0, "inputs": 0}

    def add(self, kind: str, index: int, value: Any) -> None:
        """Add the input or the result (``kind``) of a chunk."""
        pair = f'"{index}":{json_block(value)}'
        if self._room.takes_text(pair):
            block = self._blocks.setdefault(index // BLOCK_CHUNKS, {"results": [], "inputs": []})
            block[kind].append(pair)
        else:
            self.left_out[kind] += 1

    def as_json(self) -> dict[int, str]:
        """Return the JSON text of each block by its number: chunk ``i`` is in block ``i // BLOCK_CHUNKS``."""
        return {
            number: "{" + ",".join(f'"{kind}":{{{",".join(pairs)}}}' for kind, pairs in block.items()) + "}"
            for number, block in sorted(self._blocks.items())
        }


def checked_inputs(job: Job, given: Iterable[Any]) -> tuple[list[Any], bool]:
    """Return a job's chunks as a caller gives them, and whether the store agrees; refuse another number of chunks."""
    if not isinstance(given, Iterable):
        raise InvalidArgumentError(f"inputs[{job.file_name!r}]", given, "is no list of chunks")
    chunks = list(given.values() if isinstance(given, Mapping) else given)
    if len(chunks) != job.total_chunks:
        noun = "chunk" if len(chunks) == 1 else "chunks"
        remedy = f"has {len(chunks):,} {noun} for a job of {job.total_chunks:,}"
        raise InvalidArgumentError(f"inputs[{job.file_name!r}]", ..., remedy)
    try:
        agrees = not job.plan(chunks).differences
    except InvalidArgumentError:  # only fingerprint= can tell such chunks apart
        agrees = False
    return chunks, agrees


def shown_input(chunk: Any, depth: int = 0) -> Any:
    """Return a caller's chunk as JSON data; a value that JSON cannot hold becomes its text."""
    if depth > _DEPTH_MAX:
        return "\u2026"
    value = _fields_of(chunk)
    if isinstance(value, Mapping):
        return {_text_of(name): shown_input(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shown_input(inner, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    is_json = value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))
    is_integer = isinstance(value, int) and value.bit_length() <= _INTEGER_BITS_MAX
    return value if is_json or is_integer else _text_of(value)


def _text_of(value: Any) -> str:
    """Return the text of a value; if it has none, as an integer of very many digits, the name of its type."""
    try:
        return str(value)
    except Exception:  # whatever the object of a caller does
        return f"<{type(value).__qualname__}>"


def _fields_of(chunk: Any) -> Any:
    if dataclasses.is_dataclass(chunk) and not isinstance(chunk, type):
        return {field.name: getattr(chunk, field.name) for field in dataclasses.fields(chunk)}
    dump = getattr(chunk, "model_dump", None)  # of pydantic
    return dump(mode="json") if callable(dump) else chunk
