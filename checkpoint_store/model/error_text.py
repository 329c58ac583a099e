"""The text that is kept of an error."""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its ``__str__`` does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever it is that an exception of the caller's does there
        return "(its text cannot be had)"


def describe(error: BaseException | str) -> str:
    """Return the message to keep of an error, without what looks like a secret."""
    from checkpoint_store.model.codec.secrets import redact_text  # noqa: PLC0415 - its patterns are for writers only

    text = error if isinstance(error, str) else f"{type(error).__name__}: {text_of(error)}".removesuffix(": ")
    return redact_text(text.encode("utf-8", "backslashreplace").decode("utf-8"))
