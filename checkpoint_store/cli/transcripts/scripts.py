"""The scripts of the world: which of them put no space between words."""

from __future__ import annotations

import re
from typing import Final

_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3001-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese, Japanese
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"  # their punctuation, half-width kana
    "\U00020000-\U0003ffff"
)
_WIDE_MARK: Final = re.compile(r"[\u3001-\u3003\u3008-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")
UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
"""A character of a script that puts no space between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""
TOKEN: Final = re.compile(f"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\\S)+")
"""A word; where a script puts no space between words, a character."""


def joint(before: str, after: str) -> str:
    """Return what stands between two lines that are joined: a space, or nothing within Chinese, Japanese, Thai ….

    Korean puts spaces between words, and so does a line that changes to another script.
    """
    if not before or not after:
        return ""
    if _WIDE_MARK.match(before[-1]) or _WIDE_MARK.match(after[0]):
        return ""
    return "" if UNSPACED.match(before[-1]) and UNSPACED.match(after[0]) else " "
