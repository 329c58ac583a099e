"""What a page holds, read from its text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(r'<script type="application/json" id="([a-z0-9-]+)">(.*?)</script>', re.DOTALL)


def blocks(page: Path | str) -> dict[str, Any]:
    """The data blocks of a page, by id."""
    text = page if isinstance(page, str) else page.read_text("utf-8")
    return {name: json.loads(found) for name, found in _BLOCK.findall(text)}


def facts(page: Path | str, place: int = 0) -> dict[str, Any]:
    """What a page says of a job."""
    found: dict[str, Any] = blocks(page)["index"]["jobs"][place]
    return found


def results(page: Path | str, place: int = 0) -> dict[str, Any]:
    """The results that a page holds of a job, by index."""
    found: dict[str, Any] = {}
    for name, value in blocks(page).items():
        if name.startswith(f"texts-{place}-"):
            found |= value["results"]
    return found
