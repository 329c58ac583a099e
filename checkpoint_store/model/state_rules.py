"""The rules that the fields of a state keep."""

from __future__ import annotations

from checkpoint_store.errors import shown
from checkpoint_store.model.clock import parse_time
from checkpoint_store.model.state_fields import (
    fail,
)
from checkpoint_store.model.versions import RELEASED_VERSIONS


def check_version(version: object) -> None:
    """Refuse a version that this library does not read."""
    if version not in RELEASED_VERSIONS:
        fail(
            "version",
            f"is {shown(version)}; this version of checkpoint-store reads {', '.join(RELEASED_VERSIONS)}. A newer "
            "one may read it: pip install --upgrade checkpoint-store",
        )


def check_time(name: str, value: object) -> None:
    """Refuse a value that is no ISO 8601 time."""
    try:
        parse_time(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        fail(name, f"is {shown(value)}, not an ISO 8601 time")
