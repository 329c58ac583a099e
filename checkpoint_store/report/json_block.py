"""JSON that may stand in a script element of a page: no text in it ends the element or steers a reader's screen."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# What HTML reads in a script element, what ends a line of a script, what steers a terminal or turns the direction of a
# text around, and lone surrogates, which UTF-8 has no bytes for. JSON reads each of them by its number.
_ESCAPED: Final = re.compile("[<>&'\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def json_block(value: Any) -> str:
    """Return a JSON text that means ``value`` and is safe in a script element; what is no JSON counts by its text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
