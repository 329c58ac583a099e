"""Texts inside of texts: an address in an address, JSON in a JSON string, a page. Their signs are escaped there."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ESCAPE: Final = re.compile(
    r"""
      %(?:25)*(?P<percent>[2-7][0-9a-f] | 0[9ad])             # in an address, also in an address inside of that
    | \\+u00(?P<code>[2-7][0-9a-f])                           # in JSON
    | \\+(?P<quote>["'])
    | &(?:amp;)*(?P<entity>(?:quot|apos|amp|\#[0-9]{2,3}|\#x[2-7][0-9a-f]);)
    | (?P<joined>\\\r?\n)                                     # a command goes on in the next line
    """,
    re.VERBOSE | re.IGNORECASE,
)


def unescaped(text: str) -> str:
    """Return a text with plain ASCII signs in place of their escapes, at any depth. A line end becomes a space."""
    return _ESCAPE.sub(_sign, text)


def redact_in_either_form(redact: Callable[[str], str], text: str) -> str:
    """Return a text redacted as it is written or, if that leaves a secret behind escapes, without its escapes."""
    redacted = redact(text)
    plain = unescaped(redacted)
    if plain == redacted or (plain_redacted := redact(plain)) == plain:
        return redacted
    return plain_redacted


def _sign(match: re.Match[str]) -> str:
    if match["joined"]:
        return ""
    sign = match["quote"] or html.unescape(f"&{match['entity']}" if match["entity"] else "")
    sign = sign or chr(int(match["percent"] or match["code"], 16))
    return sign if sign.isprintable() else " "
