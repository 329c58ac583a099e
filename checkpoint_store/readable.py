"""A value as text for people, where it cannot be kept as it is: what was paid for can be read, and typed in again."""

from __future__ import annotations

import reprlib
from typing import Any, Final

MAX_CHARACTERS: Final = 256 * 1024
"""The longest copy; an answer of a model is far shorter."""
_MOST_LEVELS: Final = 30


class _Readable(reprlib.Repr):
    """Like ``repr``, but the attributes of an object whose class has no ``repr`` of its own are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = _MOST_LEVELS
        for name in ("tuple", "list", "array", "dict", "set", "frozenset", "deque", "string", "long", "other"):
            setattr(self, f"max{name}", MAX_CHARACTERS)

    def repr_instance(self, x: Any, level: int) -> str:
        own: Any = type(x).__repr__
        if own is not object.__repr__ or not hasattr(x, "__dict__") or level <= 0:
            return super().repr_instance(x, level)
        fields = (f"{name}={self.repr1(value, level - 1)}" for name, value in vars(x).items())
        return f"{type(x).__qualname__}({', '.join(fields)})"


def readable(value: object) -> str:
    """Return how a value prints, up to 256 Ki characters; of a value that cannot be printed, its type."""
    try:
        text = _Readable().repr(value)
    except Exception:  # noqa: BLE001 - whatever a value of the caller's does there
        return f"<{type(value).__qualname__}>"
    if len(text) > MAX_CHARACTERS:
        text = f"{text[:MAX_CHARACTERS]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", r"\0")
