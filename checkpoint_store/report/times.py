"""Moments as the page counts them."""

from __future__ import annotations

from datetime import datetime


def milliseconds(moment: str) -> int:
    """Return an ISO 8601 moment as milliseconds since 1970, UTC."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
