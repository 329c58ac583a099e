"""The changelog stays a page that a user reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
LINES_MAX = 600
"""For a version that is not released yet. An entry that nobody looks for makes place for a new one."""


def test_the_changelog_is_short_and_says_nothing_twice() -> None:
    """A user finds what changed. A merge that brings back lines which were taken out is seen: write your line anew then."""
    lines = PAGE.read_text("utf-8").splitlines()
    assert len(lines) <= LINES_MAX, (
        f"CHANGELOG.md has {len(lines)} lines: take main's, and add your own line to its topic"
    )
    assert [line for line, times in Counter(lines).items() if times > 1 and line.startswith("- ")] == []
