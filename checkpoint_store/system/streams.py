"""Whether the reader of a stream stands still."""

from __future__ import annotations

import select
from typing import IO


def takes_text(stream: IO[str]) -> bool:
    """Return whether a short text can be written to a stream without a wait for its reader."""
    try:
        return bool(select.select((), (stream,), (), 0.0)[1])
    except (AttributeError, OSError, TypeError, ValueError):  # a stream without a number; Windows; a closed stream
        return True
