"""What ``open_job`` is given, checked before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import InvalidArgumentError, InvalidResultError
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.plan import Fingerprint


class Prints:
    """The fingerprints of chunks, computed as they are asked for: a million of them need no memory."""

    def __init__(self, chunks: Sequence[Any], by: Fingerprint | None) -> None:
        self._chunks, self._by = chunks, by

    def __iter__(self) -> Iterator[str]:
        return (fingerprint(chunk, self._by) for chunk in self._chunks)


def checked_pieces(chunks: Iterable[Any] | None, total_chunks: int | None) -> Sequence[Any] | None:
    """Return the chunks as a sequence, or None where only their number is given."""
    if (chunks is None) == (total_chunks is None):
        raise InvalidArgumentError("chunks", chunks, "and total_chunks: give one of the two")
    if chunks is None:
        if type(total_chunks) is not int or not 0 <= total_chunks < 2**62:
            raise InvalidArgumentError("total_chunks", total_chunks, "is not a whole number from 0")
        return None
    if isinstance(chunks, str | bytes | Mapping):
        raise InvalidArgumentError("chunks", chunks, f"is one {type(chunks).__name__}; give a list of chunks")
    if not isinstance(chunks, Iterable):
        raise InvalidArgumentError("chunks", chunks, "is not a list of chunks; for a number, use total_chunks=")
    # A list is copied: its caller may empty it while the job goes on.
    return chunks if isinstance(chunks, Sequence) and not isinstance(chunks, list) else list(chunks)


def checked_text(name: str, value: object, *, required: bool = False) -> Any:
    """Return a text that UTF-8 can hold, or None where that is allowed."""
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value):
        raise InvalidArgumentError(name, value, "is not a non-empty text" if required else "is not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(name, value, "has a lone surrogate, which UTF-8 cannot hold") from None
    return str(value)


def checked_config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a config as plain JSON data without secrets."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidArgumentError("config", ..., f"is a {type(config).__name__}, not a mapping")
    plain = dict(config)
    try:
        text = json_text.encode(plain, name="config")
    except InvalidResultError as error:
        raise InvalidArgumentError(error.path, ..., error.reason) from error
    from checkpoint_store.model.codec.secrets import reject_secrets  # noqa: PLC0415 - its patterns are for writers only

    reject_secrets(plain)
    kept: dict[str, Any] = json_text.decode(text)
    return kept


def checked_change(on_change: object) -> str:
    """Return what to do where the plan differs."""
    if on_change not in ("refuse", "reuse", "restart"):
        raise InvalidArgumentError("on_change", on_change, "is none of 'refuse', 'reuse', 'restart'")
    return str(on_change)
