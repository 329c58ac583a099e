"""What looks like a secret is kept out of the store.

A rule on substrings (``token``, ``key``) is wrong more often than right: ``max_tokens``, ``key_points``. So names
are compared by whole segments, numbers are never secrets, and values are known by the prefixes that issuers
give them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

from checkpoint_store.errors import SecretInConfig

_WORDS: Final = frozenset(
    "secret secrets password passwd passphrase pwd apikey apikeys authorization credential credentials bearer "
    "accesskey secretkey privatekey authtoken accesstoken".split()
)
_PAIRS: Final = frozenset(
    {
        ("api", "key"), ("api", "keys"), ("access", "key"), ("secret", "key"), ("private", "key"), ("signing", "key"),
        ("encryption", "key"), ("subscription", "key"), ("account", "key"), ("ssh", "key"), ("api", "token"),
        ("access", "token"), ("auth", "token"), ("refresh", "token"), ("bearer", "token"), ("session", "token"),
        ("id", "token"), ("csrf", "token"), ("hf", "token"), ("github", "token"), ("auth", "header"),
    }
)  # fmt: skip
_WHOLE_NAMES: Final = frozenset({"token", "auth", "cookie", "cookies", "jwt"})
# api_key_env, password_file: these say where a secret is, not what it is.
_POINTERS: Final = frozenset(
    "env envvar var variable name names file filename path id ids type policy length len hash field column header url "
    "count limit required enabled source provider rotation".split()
)
_SEGMENT: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_VALUE: Final = re.compile(
    r"""
      \bsk-(?:proj-|ant-|or-|live-)?[A-Za-z0-9_-]{16,}          # OpenAI, Anthropic, OpenRouter
    | \b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}                    # Stripe
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,}       # GitHub
    | \bglpat-[A-Za-z0-9_-]{16,}                                # GitLab
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                             # AWS
    | \bAIza[A-Za-z0-9_-]{30,} | \bya29\.[A-Za-z0-9_-]{20,}     # Google
    | \bxox[abprs]-[A-Za-z0-9-]{10,}                            # Slack
    | \b(?:hf|gsk|r8|npm)_[A-Za-z0-9]{20,} | \bxai-\w{20,}      # Hugging Face, Groq, Replicate, npm, xAI
    | \bpypi-[A-Za-z0-9_-]{32,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+ # a JSON Web Token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | (?i:\b(?:bearer|basic)\ +[A-Za-z0-9._~+/=-]{12,})
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                           # a password in a URL
    | (?i:(?<![A-Za-z0-9])(?:x-)?(?:api[-_]?key|access[-_]?token|auth[-_]?token|client[-_]?secret|password|passwd)
      ['"]?\s*[=:]\s*['"]?(?!\$|<|\[redacted\])[^\s'"&,;]{4,})
    """,
    re.VERBOSE,
)
REDACTED: Final = "[redacted]"


def reject_secrets(value: Any, path: str = "config") -> None:
    """Raise :class:`SecretInConfig` for the first secret in a JSON value; the message does not repeat it."""
    for found, reason in _secrets(value, path):
        raise SecretInConfig(found, reason)


def redact_secrets(value: Any) -> Any:
    """Return a copy of a JSON value with every secret in it replaced by ``"[redacted]"``."""
    if isinstance(value, dict):
        return {key: REDACTED if _is_secret_name(key, item) else redact_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_secrets(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Return ``text`` with everything in it that is recognisable as a secret replaced."""
    return _VALUE.sub(REDACTED, text)


def _secrets(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            where = f"{path}[{key!r}]"
            if _is_secret_name(key, item):
                yield where, "is named like a secret"
            yield from _secrets(item, where)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _secrets(item, f"{path}[{index}]")
            following = value[index + 1] if index + 1 < len(value) else None
            if isinstance(item, str) and item.startswith("--") and _is_secret_name(item[2:], following):
                yield f"{path}[{index + 1}]", f"follows {item}"
    elif isinstance(value, str) and _VALUE.search(value):
        yield path, "has a value that looks like a secret"


def _is_secret_name(name: str, value: object) -> bool:
    if not isinstance(value, str | dict | list) or not value or value == REDACTED:
        return False
    segments = [segment.lower() for segment in _SEGMENT.findall(name)]
    if not segments or segments[-1] in _POINTERS:
        return False
    if len(segments) == 1 and segments[0] in _WHOLE_NAMES:
        return True
    return not _WORDS.isdisjoint(segments) or not _PAIRS.isdisjoint(pairwise(segments))
