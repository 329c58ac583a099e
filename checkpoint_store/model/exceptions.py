"""Write to an exception of the caller, also if its class allows no attribute to be set, as a frozen dataclass."""

from __future__ import annotations

from typing import Any


def set_field(error: BaseException, name: str, value: Any) -> None:
    """Set an attribute of an exception, such as ``__cause__``."""
    BaseException.__setattr__(error, name, value)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, as its own ``add_note`` does."""
    set_field(error, "__notes__", [*getattr(error, "__notes__", ()), note])
