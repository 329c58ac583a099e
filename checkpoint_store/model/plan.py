"""Fingerprints of chunks, and what makes two plans differ. Pure functions of canonical data.

A fingerprint is the same on every machine and Python version, and names the version of its rule, so that a
later rule can never be mistaken for this one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from checkpoint_store.errors import Difference, InvalidArgumentError, shown

FINGERPRINT_VERSION: Final = "1"
_SHORT: Final = 80
_CONTENT: Final = ("text", "data", "content")

Fingerprint = Callable[[Any], Any]
"""Turns a chunk into what identifies it: text, bytes or JSON data."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a result valid. ``chunks_digest`` is None where the chunks themselves are not at hand."""

    file_name: str
    total_chunks: int
    model: str | None
    provider: str | None
    config: Mapping[str, Any]
    chunks_digest: str | None = None


def fingerprint(chunk: object, by: Fingerprint | None = None) -> str:
    """Return ``"1:"`` and 64 hexadecimal digits that identify the content of ``chunk``.

    Text, bytes and JSON data count as they are; of an object, its ``.text``, ``.data`` or ``.content`` (the first
    that is not None) counts and nothing else. ``by`` turns any other chunk into one of these.

    Raises:
        InvalidArgumentError: none of this applies.
    """
    content = chunk if by is None else by(chunk)
    if by is not None and content is None:  # a forgotten return would make all chunks alike
        raise InvalidArgumentError(
            "fingerprint", by, f"returned None for the chunk {_shorten(chunk)}; return its content"
        )
    return f"{FINGERPRINT_VERSION}:{sha256(_canonical(content, chunk)).hexdigest()}"


def digest_of_fingerprints(fingerprints: Iterable[str]) -> str:
    """Return the digest of a whole plan's fingerprints, in index order, in constant memory."""
    total = sha256()
    for one in fingerprints:
        total.update(one.encode())
        total.update(b"\n")
    return f"{FINGERPRINT_VERSION}:{total.hexdigest()}"


def _canonical(content: object, chunk: object) -> bytes:
    if isinstance(content, str):
        return b"text\n" + content.encode("utf-8", "surrogatepass")
    if isinstance(content, bytes | bytearray | memoryview):
        return b"bytes\n" + bytes(content)
    if isinstance(content, dict | list | tuple | int | float | None):
        return b"json\n" + _canonical_json(content, chunk)
    for name in _CONTENT:
        inner = getattr(content, name, None)
        if isinstance(inner, str | bytes | bytearray | memoryview | dict | list | tuple | int | float):
            return _canonical(inner, chunk)
        if inner is not None and not callable(inner):
            break
    raise _not_a_chunk(chunk)


def _canonical_json(content: object, chunk: object) -> bytes:
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_a_chunk(chunk) from error
    return text.encode()


def _not_a_chunk(chunk: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        "chunks",
        chunk,
        f"has a {type(chunk).__qualname__} among the chunks that cannot be identified by its content: give text, JSON "
        "data, an object with .text, .data or .content, or a fingerprint= function that returns one of these",
    )


def compare(old: Plan, new: Plan) -> list[Difference]:
    """Return the fields in which two plans differ, in a fixed order; none means: the same plan.

    Chunks are compared only where both plans know them. A config is compared key by key. An empty model or provider
    (older state files have them) is none.
    """
    found = [
        Difference(name, *_shorten_pair(before, after))
        for name, before, after in _fields(old, new)
        if not _same(before, after)
    ]
    if _chunks_differ(old, new):
        found.append(Difference("chunks", _brief(old), _brief(new)))
    return found


def is_same(old: Plan, new: Plan) -> bool:
    """Return whether :func:`compare` finds no difference, in a fraction of its time."""
    return not _chunks_differ(old, new) and all(_same(before, after) for _, before, after in _fields(old, new))


def _fields(old: Plan, new: Plan) -> Iterator[tuple[str, object, object]]:
    """Yield the name of each field but the chunks, and both its values."""
    yield "file_name", old.file_name, new.file_name
    yield "model", old.model or None, new.model or None
    yield "provider", old.provider or None, new.provider or None
    yield "total_chunks", old.total_chunks, new.total_chunks
    for key in dict.fromkeys([*old.config, *new.config]):
        yield f"config.{key}", old.config.get(key, _ABSENT), new.config.get(key, _ABSENT)


def _chunks_differ(old: Plan, new: Plan) -> bool:
    return None not in (old.chunks_digest, new.chunks_digest) and old.chunks_digest != new.chunks_digest


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


_ABSENT: Final = _Absent()


def _same(before: object, after: object) -> bool:
    """Equal as JSON, where True is not 1."""
    if before is _ABSENT or after is _ABSENT:
        return before is after
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _shorten(value: object) -> str:
    return shown(value, _SHORT)


def _clip(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _shorten_pair(before: object, after: object) -> tuple[str, str]:
    """Shorten two values that differ so that what is left of them differs too."""
    texts = repr(before), repr(after)
    shorter = min(map(len, texts))
    common = next((at for at in range(shorter) if texts[0][at] != texts[1][at]), shorter)
    if common < _SHORT - 1:
        return _shorten(before), _shorten(after)
    start = common - _SHORT // 4
    cut = [f"…{text[start:]}" for text in texts]
    return _clip(cut[0]), _clip(cut[1])


def _brief(plan: Plan) -> str:
    return f"{plan.total_chunks} chunks with digest {(plan.chunks_digest or '')[:14]}"
