"""The keys by which a caller names chunks: a text (a file name) or a whole number (a page), and their stored form.

Keys are compared by their text, so that ``result_of("7")`` finds page 7. Each key comes back as it was given: so a text
that looks like a number is stored in quotes. A file name in NFC and the same name in NFD are one key.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError, short_repr

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = str | int
KEY_LENGTH_MAX: Final = 4096
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]*")
_LIKE_A_NUMBER: Final = re.compile(r'"*(?:0|-?[1-9][0-9]*)"*')
"""A text that would read as a number, or as a text that is stored in quotes for that reason."""
_KEY_DIGITS_MAX: Final = 18


def stored_key(key: Key) -> str:
    """Return a key as it is stored."""
    if isinstance(key, int):
        return str(key)
    return f'"{key}"' if _LIKE_A_NUMBER.fullmatch(key) else key


def key_from(stored: str) -> Key:
    """Return the key that was stored."""
    if _NUMBER.fullmatch(stored) and len(stored) <= _KEY_DIGITS_MAX:
        return int(stored)
    is_quoted = stored[:1] == '"' == stored[-1:] and _LIKE_A_NUMBER.fullmatch(stored[1:-1]) is not None
    return stored[1:-1] if is_quoted else stored


def spellings(key: Key) -> list[str]:
    """Return the forms in which the key that a caller asks for may be stored."""
    text = str(key)
    forms = dict.fromkeys([text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))])
    return [spelling for form in forms for spelling in dict.fromkeys([form, stored_key(form)])]


def checked_keys(keys: Iterable[object]) -> tuple[Key, ...]:
    """Return the keys of a mapping of chunks.

    Raises:
        InvalidArgumentError: a key is no text and no whole number, or two keys read the same; it names them.
    """
    seen = dict[str, Key]()
    for position, key in enumerate(keys):
        reason = _wrong(key)
        if reason is not None or not isinstance(key, str | int):
            raise InvalidArgumentError(
                "chunks", ..., f"has the key {short_repr(key)} for chunk {position}, which {reason}"
            )
        other = seen.setdefault(_compared(key), key)
        if len(seen) <= position:
            both = f"{short_repr(other)} and {short_repr(key)}"
            raise InvalidArgumentError("chunks", ..., f"has the keys {both}, which read the same; call one otherwise")
    return tuple(seen.values())


def is_key(key: object) -> bool:
    """Whether a value can be a key at all."""
    return _wrong(key) is None


def _compared(key: Key) -> str:
    text = str(key)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _wrong(key: object) -> str | None:
    """Return why a value cannot be a key; None if it can."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        return "is neither text nor a whole number"
    if isinstance(key, int):
        return None if abs(key) < 10 ** (_KEY_DIGITS_MAX - 1) else f"has more than {_KEY_DIGITS_MAX - 1} digits"
    if not 0 < len(key) <= KEY_LENGTH_MAX:
        return f"is no text of 1 to {KEY_LENGTH_MAX:,} characters"
    if "\0" in key or any("\ud800" <= letter <= "\udfff" for letter in key):
        return "has a NUL or a lone surrogate in it, which nobody can type"
    return None
