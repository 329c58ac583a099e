"""Handles: what a service calls the work that it holds for a chunk, such as the id of a batch."""

from __future__ import annotations

from typing import Final

from checkpoint_store.errors import InvalidArgumentError

HANDLE_LENGTH_MAX: Final = 4096
"""The most characters of a handle: an id, or a URL."""


def checked_handle(handle: object, owner: str) -> str | None:
    """Return a handle, checked; None stands for no handle.

    Args:
        handle: a text of 1 to 4,096 characters, without NUL; or None.
        owner: the chunks that the handle belongs to, as words of the error.

    Raises:
        InvalidArgumentError: it is something else; the error names the chunks and the value.
    """
    if handle is None:
        return None
    if not isinstance(handle, str) or not handle.strip():
        raise InvalidArgumentError("handle", handle, f"of {owner} is no text (None clears a handle)")
    if len(handle) > HANDLE_LENGTH_MAX:
        reason = f"of {owner} has {len(handle):,} characters, more than {HANDLE_LENGTH_MAX:,}"
        raise InvalidArgumentError("handle", handle, f"{reason}: keep such data in a file, and record its name")
    if "\0" in handle:
        raise InvalidArgumentError("handle", handle, f"of {owner} has a NUL, at which SQLite's shell stops")
    try:
        handle.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            "handle", handle, f"of {owner} has a lone surrogate, which UTF-8 cannot hold"
        ) from None
    return str(handle)
