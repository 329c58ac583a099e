"""The arguments of opening a store, checked before anything is done."""

from __future__ import annotations

from typing import Final

from checkpoint_store.errors import InvalidArgumentError

_TIMEOUT_SECONDS_MAX: Final = 1e9


def check_durability(durability: object) -> None:
    """Refuse a value that is no ``durability``."""
    if durability not in ("power-loss", "process"):
        raise InvalidArgumentError("durability", durability, "is neither 'power-loss' nor 'process'")


def check_timeout(name: str, seconds: float) -> None:
    """Refuse a value that is no number of seconds from 0."""
    if not 0 <= seconds < _TIMEOUT_SECONDS_MAX:
        raise InvalidArgumentError(name, seconds, "is not a number of seconds from 0")
