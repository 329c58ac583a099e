"""Write to an exception of the caller, and read its notes, whatever its class does with attributes."""

from __future__ import annotations

from typing import Any


def set_field(error: BaseException, name: str, value: Any) -> None:
    """Set an attribute of an exception, such as ``__cause__``, also if its class forbids it, as a frozen dataclass."""
    BaseException.__setattr__(error, name, value)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, as its own ``add_note`` does."""
    set_field(error, "__notes__", [*notes_of(error), note])


def notes_of(error: BaseException) -> list[str]:
    """Return the notes of an exception that are texts. Its class may answer with anything, or raise an error."""
    try:
        notes = vars(error).get("__notes__")
    except Exception:  # whatever a property of the class does
        return []
    return [note for note in notes if isinstance(note, str)] if isinstance(notes, list | tuple) else []
