"""Fingerprints of chunks, and what makes two plans differ. Pure functions of canonical data.

A fingerprint is the same on every machine and Python version, and names the first rule that gives it, so that a later
rule can never be mistaken for that one.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from checkpoint_store.errors import Difference, InvalidArgumentError, counted, short_repr
from checkpoint_store.model.chunk_content import (
    NotIdentifiedError,
    canonical,
    canonical_by_rule_1,
    row_identity,
    text_content,
)
from checkpoint_store.model.codec.digest import sha256_of

FINGERPRINT_RULE: Final = 2
"""The newest rule of fingerprints. A job keeps the rule that it was made with, and is compared by that rule."""
DIGEST_VERSION: Final = "1"
_VALUE_LENGTH_MAX: Final = 80

Fingerprint = Callable[[Any], Any]
"""A function that returns the identifying content of a chunk: text, bytes, JSON data, a dataclass or a model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The facts that make a result valid. ``chunks_digest`` is None if only the number of chunks is known."""

    file_name: str
    total_chunks: int
    model: str | None
    provider: str | None
    config: Mapping[str, Any]
    chunks_digest: str | None = None
    sequential: bool = False
    """Whether each chunk's work depends on the results before it."""


def fingerprint(
    chunk: object, by: Fingerprint | None = None, *, rule: int = FINGERPRINT_RULE, index: int | None = None
) -> str:
    """Return a rule and 64 hexadecimal digits that identify the content of ``chunk``: ``"1:…"`` or ``"2:…"``.

    See :func:`canonical` for what counts. Text, bytes and JSON data begin with ``1:`` by both rules. ``by`` is the
    caller's function that returns what identifies a chunk, ``rule`` that of the chunk's job; the error names the index.
    """
    content = chunk if by is None else by(chunk)
    if by is not None and content is None:  # a forgotten return would make all chunks alike
        raise InvalidArgumentError("fingerprint", by, f"returned None for {_named(index)}; return its content")
    if type(content) is str:  # the shortest way for nearly all chunks
        return _of_bytes(1, text_content(content))
    if rule == 1:
        by_rule_1 = canonical_by_rule_1(content)
        if by_rule_1 is not None:
            return _of_bytes(1, by_rule_1)
    try:
        return _of_bytes(*canonical(content))
    except NotIdentifiedError as error:
        raise _not_a_chunk(error, by, index) from error


def has_old_fingerprint(chunk: object, by: Fingerprint | None = None) -> bool:
    """Return whether rule 1 identifies a chunk at all."""
    return canonical_by_rule_1(chunk if by is None else by(chunk)) is not None


def _of_bytes(rule: int, content: bytes) -> str:
    return f"{rule}:{sha256_of(content)}"


def chained(fingerprints: Iterable[str], before: str = "") -> Iterator[str]:
    """Yield the chained fingerprints of a sequential job: each counts its own chunk and all chunks before it.

    So a change of a chunk changes the fingerprint of every chunk behind it. No chained fingerprint equals the
    fingerprint of a chunk of a job that is not sequential. ``before`` is the last chained fingerprint, if the first
    chunks are chained already.
    """
    for own in fingerprints:
        rule = max(own[0], before[:1])
        before = _of_bytes(int(rule), f"after\n{before}\n{own}".encode())
        yield before


def digest_of_fingerprints(fingerprints: Iterable[str]) -> str:
    """Return the digest of a whole plan's fingerprints, in index order, in constant memory."""
    total = sha256()
    for own in fingerprints:
        total.update(own.encode())
        total.update(b"\n")
    return f"{DIGEST_VERSION}:{total.hexdigest()}"


def _named(index: int | None) -> str:
    return "a chunk" if index is None else f"chunk {index}"


def _not_a_chunk(error: NotIdentifiedError, by: Fingerprint | None, index: int | None) -> InvalidArgumentError:
    where = _named(index) if by in (None, row_identity) else f"what fingerprint= returned for {_named(index)}"
    return InvalidArgumentError(
        "chunks",
        ...,
        f"cannot be identified: {where}{error.path} {error.reason}. A chunk is text, bytes, JSON data, a dataclass "
        "or a pydantic model, with JSON data, dates, UUIDs, paths, enums and Decimals in it. Convert it, or give a "
        "fingerprint= function that returns what identifies a chunk",
    )


def compare(old: Plan, new: Plan) -> list[Difference]:
    """Return the fields in which two plans differ, in a fixed order; an empty list means that the plans are equal.

    Chunks are compared only where both plans know them. A config is compared key by key, as :func:`same_settings` says.
    An empty model or provider (older state files have such) counts as None. File names are compared in NFC.
    """
    differences = [
        Difference(name, *_shorten_pair(before, after))
        for name, before, after in _fields(old, new)
        if not _same(before, after)
    ]
    if _chunks_differ(old, new):
        differences.append(Difference("chunks", _brief(old), _brief(new)))
    return differences


def is_same(old: Plan, new: Plan) -> bool:
    """Return whether :func:`compare` finds no difference, in a fraction of its time."""
    return not _chunks_differ(old, new) and all(_same(before, after) for _, before, after in _fields(old, new))


def _fields(old: Plan, new: Plan) -> Iterator[tuple[str, object, object]]:
    """Yield the name of each field but the chunks, and both its values."""
    yield "file_name", normal_name(old.file_name), normal_name(new.file_name)
    yield "model", old.model or None, new.model or None
    yield "provider", old.provider or None, new.provider or None
    yield "total_chunks", old.total_chunks, new.total_chunks
    yield "sequential", old.sequential, new.sequential
    for key in dict.fromkeys([*old.config, *new.config]):
        yield f"config.{key}", old.config.get(key, _Absent.KEY), new.config.get(key, _Absent.KEY)


def normal_name(file_name: str) -> str:
    """Return a file name in the form in which names are compared: NFC, so that "é" has one spelling."""
    return file_name if file_name.isascii() else unicodedata.normalize("NFC", file_name)


def same_settings(old: Plan, new: Plan, ignoring: Container[str] = ()) -> bool:
    """Return whether two plans agree in model, provider and config, except for the fields of ``ignoring``.

    These are ``model``, ``provider``, ``config`` and ``config.KEY``, or ``config.KEY.INNER_KEY``. In a config 0, 0.0
    and -0.0 are equal, and an absent key equals a key whose value is None; the order of keys does not matter.
    """
    pairs = [(name, before, after) for name, before, after in _fields(old, new) if name not in _NOT_SETTINGS]
    return all(
        _same(_without(before, name, ignoring), _without(after, name, ignoring))
        for name, before, after in pairs
        if name not in ignoring and not (name.startswith("config.") and "config" in ignoring)
    )


def _without(value: object, name: str, ignoring: Container[str]) -> object:
    """Return a setting without the inner keys of ``ignoring``."""
    if not isinstance(value, dict):
        return value
    return {
        key: _without(item, f"{name}.{key}", ignoring) for key, item in value.items() if f"{name}.{key}" not in ignoring
    }


def _chunks_differ(old: Plan, new: Plan) -> bool:
    if old.sequential != new.sequential:  # chained and plain fingerprints cannot be compared
        return False
    return None not in (old.chunks_digest, new.chunks_digest) and old.chunks_digest != new.chunks_digest


class _Absent(Enum):
    """The value that stands for an absent key of a config."""

    KEY = "(absent)"

    def __repr__(self) -> str:
        return self.value


_NOT_SETTINGS: Final = frozenset({"file_name", "total_chunks", "sequential"})


def _same(before: object, after: object) -> bool:
    """Whether two values are equal as settings: 1 equals 1.0 and not True, and an absent key equals None."""
    texts = {json.dumps(_setting(value), sort_keys=True) for value in (before, after)}
    return len(texts) == 1


def _setting(value: Any) -> Any:
    """Return a setting in the form in which settings are compared."""
    if value is _Absent.KEY:
        return None
    if isinstance(value, dict):
        return {key: _setting(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_setting(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _clip(text: str) -> str:
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[: _VALUE_LENGTH_MAX - 1]}…"


def _shorten_pair(before: object, after: object) -> tuple[str, str]:
    """Shorten two different values so that the shortened values differ, too."""
    texts = repr(before), repr(after)
    shorter = min(map(len, texts))
    common = next((at for at in range(shorter) if texts[0][at] != texts[1][at]), shorter)
    if common < _VALUE_LENGTH_MAX - 1:
        return short_repr(before, _VALUE_LENGTH_MAX), short_repr(after, _VALUE_LENGTH_MAX)
    start = common - _VALUE_LENGTH_MAX // 4
    cut = [f"…{text[start:]}" for text in texts]
    return _clip(cut[0]), _clip(cut[1])


def _brief(plan: Plan) -> str:
    return f"{counted(plan.total_chunks, 'chunk')} with digest {(plan.chunks_digest or '')[:14]}"
