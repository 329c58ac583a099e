"""What both processors share: how a transcript is cut, and the service that costs money (here a stand-in)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

MODEL: Final = "stand-in"
CONFIG: Final = {"language": "en"}


class BusyError(Exception):
    """The service answers 429."""

    status_code = 429


def paragraphs_of(path: Path) -> list[str]:
    """Return the paragraphs of a transcript: one chunk each."""
    return [part.strip() for part in path.read_text("utf-8").split("\n\n") if part.strip()]


def clean(text: str) -> dict[str, Any]:
    """Return a cleaned paragraph, and what the call cost. May raise BusyError."""
    return {"cleaned_text": text[:1].upper() + text[1:], "cost": 0.002}


def write_output(path: Path, results: list[dict[str, Any]]) -> None:
    """Write the cleaned text beside the transcript, and say what it cost."""
    path.with_suffix(".cleaned.txt").write_text("\n\n".join(one["cleaned_text"] for one in results), "utf-8")
    print(f"{path.name}: {len(results)} chunks, cost {sum(one['cost'] for one in results):.3f}")
