"""The present moment, as a store writes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_second: tuple[str, str] = ("", "")


def now() -> str:
    """Return the present moment as a store writes it: ISO 8601, UTC, milliseconds. For display, never for order."""
    global _second  # noqa: PLW0603 - one second's text serves all of its moments; a race only writes it twice
    digits = f"{time.time_ns():019d}"  # cut as text: in a loop that waits, each operation on a number is slow
    known, text = _second
    if known != digits[:-9]:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(digits[:-9])))  # datetime's imports, also at shutdown
        _second = (digits[:-9], text)
    return f"{text}.{digits[-9:-6]}Z"


def wall_seconds() -> float:
    """Return the present moment by the clock of the machine, which may jump, in seconds."""
    return time.time_ns() / 1e9


def seconds_ago(seconds: float) -> str:
    """Return the moment this many seconds ago, as a store writes it."""
    return in_text(datetime.now(UTC) - timedelta(seconds=seconds))


def in_text(moment: datetime) -> str:
    """Return an aware moment as a store writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return a stored time as an aware datetime in UTC; text without an offset is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
