"""Secrets in texts: what an error message mentions in a sentence, and what stands behind escapes in a text.

The rules for mentions (``Incorrect API key provided: …``) are for messages only. A message loses little if a harmless
word in it is replaced; a config that is refused because of the wording of a prompt costs a run.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED: Final = "[redacted]"

_GAP: Final = r"""
      (?:['"`)\]]*\s*(?:[:=,]\s*)?|\s+)
      (?:(?i:provided|is|was|has|not|valid|invalid|found|id|value|given|supplied|specified|used|starting|with|of|for)\b
        \s*[:=]?\s*){0,4}
      (?:(?i:bearer|basic|token|apikey|key)\s+)?b?['"`(\[]*
"""
_OPAQUE: Final = r"""
      (?=[\w+/=.~-]{0,200}?[A-Za-z0-9]{16})(?=[\w+/=.~-]{0,200}?\d)(?=[\w+/=.~-]{0,200}?[A-Za-z])[\w+/=.~-]{15,}[\w+/=]
"""
_MENTION: Final = re.compile(
    rf"""
      (?P<strong>(?<![\w-])[\w-]{{0,40}}(?i:
          (?:api|access|auth|secret|private|signing|session|subscription|account|service|client|bearer|refresh)[-_ ]?
          (?:key|token|secret)
        | apikey | password | passphrase | passwd | pwd | credentials? | secret | authorization){_GAP})
      (?!\[redacted\]|\$|<|\{{|\*)
      (?: {_OPAQUE}
        | (?<=[:=,'"`(\[\s])(?![A-Za-z]+(?![\w+/=~@\#$%^&*!-]))(?=[^\s'"`,;)\]]{{0,60}}?[-_\d!@\#$%^&*+/=])
          (?=\S*\d | (?:[a-z]+-){{2,}}[a-z]+)[^\s'"`,;)\]]{{8,}} )
    | (?P<weak>(?<![\w-])[\w-]{{0,40}}(?i:key|token){_GAP}) {_OPAQUE}
    | (?P<cookie>(?i:(?<![\w-])(?:set-)?cookie['"]?\s*[:=,]\s*b?['"]?)) (?!\[redacted\]) [^\s'"]{{6,}}
    | (?P<user>(?<![\w-])(?:-u|--user|--proxy-user)[ =]['"]?[^\s:'"/]+:) (?!\[redacted\])(?=\S*\d)(?!\d+\b)
      [^\s'"]{{6,}}                                                           # of curl, and not the ids of docker
    """,
    re.VERBOSE,
)


def redact_mentions(text: str) -> str:
    """Return a message in which what follows the name of a secret is replaced, if it looks like a secret."""
    return _MENTION.sub(lambda match: f"{match[match.lastgroup or 0]}{REDACTED}", text)


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
"""The signs of a text inside of another text: an address in an address, JSON in a JSON string, a page."""


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
