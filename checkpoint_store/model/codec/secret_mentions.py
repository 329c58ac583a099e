"""Secrets that an error message mentions in a sentence: ``Incorrect API key provided: …``.

These rules are for messages only. A message loses little if a harmless word in it is replaced; a config that is refused
because of the wording of a prompt costs a run.
"""

from __future__ import annotations

import re
from typing import Final

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
