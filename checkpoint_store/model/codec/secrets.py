"""Keep what looks like a secret out of the store.

A rule on substrings (``token``, ``key``) is wrong more often than right: ``max_tokens``, ``key_points``. So names
are compared by whole segments, numbers and placeholders are never secrets, and values are known by the prefixes that
issuers give them. tests/unit/test_redact.py and test_redact_elsewhere.py say how often this is right.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import SecretInConfig
from checkpoint_store.model.codec.secret_texts import REDACTED, redact_in_either_form, redact_mentions, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# These words make a name secret at any place in it: OPENAI_API_KEY_2, password_prod.
_WORDS: Final = frozenset(
    "password passwords passwd passphrase pwd apikey apikeys accesskey secretkey privatekey authtoken "
    "accesstoken".split()
)
# These words make a name secret only at its end: client_secret is one, secret_word and authorization_scheme are not.
_LAST_WORDS: Final = frozenset("secret secrets authorization credential credentials bearer".split())
_PAIRS: Final = frozenset(
    tuple(pair.split())
    for pair in (
        "api key,api keys,access key,secret key,private key,signing key,encryption key,subscription key,account key,"
        "ssh key,master key,secret value,api token,access token,auth token,refresh token,bearer token,session token,"
        "id token,csrf token,secret token,bot token,oauth token,deploy token,service token,hf token,gh token,"
        "github token,gitlab token,slack token,discord token,npm token,pypi token,vault token,session cookie,set cookie"
    ).split(",")
)
_ENDINGS: Final = ("password", "passwd", "passphrase", "apikey", "authtoken", "accesstoken")
_WHOLE_NAMES: Final = frozenset({"token", "auth", "cookie", "cookies", "jwt", "pw"})
# Before "key", these words say that it is no secret (primary_key). After another word (deepgram_key) it may be one.
_OPEN_KEYS: Final = frozenset(
    "public primary foreign sort partition group cache answer hash idempotency dedup lookup index object storage row "
    "map dict join message record job chunk document doc item file lecture video image cipher etag build".split()
)
_LOGINS: Final = frozenset(
    "db database smtp imap pop mail email ftp sftp http proxy admin root user mysql pg postgres redis mongo login ssh "
    "wifi service basic digest".split()
)
_PAIR_NAMES: Final = frozenset("name key variable var header field option parameter param env".split())
_PAIR_VALUES: Final = frozenset("value val content data default".split())
# api_key_env, password_file: these say where a secret is, or what it is like, not what it is.
_POINTERS: Final = frozenset(
    "env envvar var variable name names file filename path id ids type policy length len hash field column header url "
    "count limit required enabled source provider rotation scheme endpoint server method mode format prefix hint "
    "prompt pattern regex placeholder message label description backend manager store ref arn dir folder location "
    "expiry ttl version algorithm strategy service user username realm audience scope scopes region profile".split()
)
_STAGES: Final = frozenset("prod production dev staging live primary secondary backup old new".split())
_NO_SECRETS: Final = frozenset(
    "none null nil false true empty unset dummy fake not-needed not_needed notneeded no-key unused redacted env "
    "environment keyring keychain vault prompt ask default auto disabled optional required anonymous basic bearer "
    "digest oauth oauth2 apikey api_key token iam adc ollama lm-studio string".split()
)
_PLACEHOLDER: Final = re.compile(
    r"""  (?-i:[A-Z]+(?:_[A-Z]+)+)                                               # the name of a variable
    | \$\w+ | \$\{[^}]*\} | \$\([^)]*\) | %\w+% | \{\{?[^{}]*\}?\} | <[^<>]*> | \[[^\[\]]*\] | \*+ | x+ | \.+ | …
    | (?:env|file|vault|keyring|secretmanager|op|ssm|arn):\S* | os\.environ\S*
    | (?:your|my|insert|enter)[-_ ](?:[a-z0-9]+[-_ ])*(?:key|token|secret|password)(?:[-_ ]?here)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OPAQUE: Final = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_.+/=:-]{20,}")
_NAMED_THING: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12} | .*\.[a-z0-9]{1,5}", re.VERBOSE
)
_MIXED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)\w{24,}")
_LOGIN: Final = re.compile(r"[^\s:/]+:(?=\S*\d)(?!\d+$)\S{6,}")
_ASSIGNMENT: Final = re.compile(
    r"""^(?P<before>[ \t>-]*(?:(?:export|set|-H)[ \t]+)?\\?['"]?(?P<name>[A-Za-z][\w.-]{0,80})\\?['"]?[ \t]*
      (?P<sign>[:=])[ \t]*\\?['"]?)(?P<value>[^\s'",;\\]+)(?P<after>\\?['"]?[,;]?[ \t\r]*)$""",
    re.VERBOSE | re.MULTILINE,
)
"""A line of its own that gives a name a value: a header, an environment variable, a line of YAML or TOML."""
_WITH_NAME: Final = rf"\g<before>{REDACTED}\g<after>"
_SEGMENT: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CREDENTIAL: Final = re.compile(r"[0-9=+/]|[a-z][A-Z]")
"""A character, or a change of case, that no word of a prompt has."""
_VALUE: Final = re.compile(
    r"""
      \b(?:                                                                        # each of these begins a word
          sk-(?=[\w-]{0,80}?(?:[A-Z][\w-]{0,80}?[0-9]|[0-9][\w-]{0,80}?[A-Z]|[a-z0-9]{24}))[\w-]{16,}  # OpenAI …
        | [sr]k_(?:live|test)_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9+/=]{20,}          # Stripe
        | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}                           # GitHub
        | gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{16,} | glsa_\w{20,}                     # GitLab, Grafana
        | A(?:KIA|SIA)[A-Z0-9]{16}\b | AIza[A-Za-z0-9_-]{30,} | ya29\.[A-Za-z0-9_-]{20,} | GOCSPX-[\w-]{20,}  # AWS …
        | xox[abeprs]-[A-Za-z0-9-]{10,} | xapp-\d-[A-Za-z0-9-]{10,}                 # Slack
        | (?:hf|gsk|r8|npm|pcsk|fw|ntn)_[A-Za-z0-9_]{0,8}[A-Za-z0-9]{20,}           # Hugging Face, Groq, Replicate …
        | (?:xai|tvly|pplx|nvapi|figd)[-_][A-Za-z0-9_-]{20,} | lsv2_(?:pt|sk)_\w{20,}
        | do[op]_v1_[a-f0-9]{32,} | dckr_pat_[\w-]{20,} | shp(?:at|ss|ca)_[a-fA-F0-9]{32}
        | ATATT3[\w=-]{30,} | glc_ey[\w=]{20,} | EAA[A-Za-z0-9]{80,} | lin_api_\w{30,} | sq0(?:csp|atp)-[\w-]{20,}
        | PMAK-[a-f0-9]{24}-[a-f0-9]{30,} | csk-[a-z0-9]{40,} | jina_\w{40,} | esecret_\w{24,} | tgp_v1_[\w-]{20,}
        | sk_[a-f0-9]{40,} | secret_[A-Za-z0-9]{43}\b | key-[a-f0-9]{32}\b | AQ\.[\w-]{40,}
        | dapi[a-f0-9]{32}\b | hvs\.[\w-]{20,} | SG\.[\w-]{16,}\.[\w-]{16,}         # Databricks, Vault, SendGrid
        | pypi-[A-Za-z0-9_-]{32,} | AGE-SECRET-KEY-1[A-Z0-9]{20,} | \d{8,10}:AA[\w-]{32,}  # PyPI, age, Telegram
        | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+                   # a JSON Web Token
        | (?P<scheme>(?i:authorization['"]?\s*[:=]\s*['"]?(?:[a-z]+\ +)?))
          (?!\$|<|\{|\[|(?i:bearer|basic|token|api-?key)\b)[^\s'",;]{6,}
        | (?P<bearer>(?i:bearer|basic)\ +)                                          # and not "basic understanding"
          (?=[^\s'"]{0,400}?(?:[0-9=]|[a-z][A-Z][A-Za-z]*[a-z][A-Z]))[A-Za-z0-9._~+/=-]{12,}
      )
    | hooks\.slack\.com/services/[\w/]{20,} | discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}
    | -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?(?:-----END\ [A-Z ]{0,60}-----|\Z)
    | \A(?i:key|api-?key|token)\ (?:token=)?['"]?(?=[^\d]*\d)(?=[\W\d]*[A-Za-z])[\w.+/=-]{20,}['"]?\Z
    | (?P<user>(?<=://)[^/\s:@]*:)(?!\$|<|\{|\*|\[redacted\])[^/\s@]+(?=@)       # a password in a URL
    | (?P<name>(?i:(?<![A-Za-z0-9])(?:x-)?(?:pg)?(?:api[-_]?key|(?:access|auth|refresh|api|session|bot)[-_]?token
      |client[-_]?secret|secret[-_]?(?:access[-_]?)?key|password|passwd|passphrase|pwd|account[-_]?key
      |shared[-_]?access[-_]?key|private[-_]?key)
      (?:\\?['"]?\s*=\s*\\?['"]?|\\?['"]\s*:\s*\\?['"]|:\s*['"]?(?=[^\s'"&,;]{0,200}?[0-9_$!\#%^*+/]))))
      (?!\$|<|\{|\[|\*|%|os\.|getenv|(?i:none|null|true|false|str|string|required|your|env:)\b)[^\s'"&,;]{4,}
    | (?P<query>[?&\#](?i:key|token|sig|(?:x-(?:amz|goog)-)?(?:signature|security-token)|code|secret
      |auth)=)(?!\$|<|\{|\[)[^\s'"&,;]{16,}
    """,
    re.VERBOSE,
)


def reject_secrets(value: Any, path: str = "config") -> None:
    """Raise :class:`SecretInConfig` for the first secret in a JSON value; the message does not repeat it."""
    for secret_path, reason in _secrets(value, path):
        raise SecretInConfig(secret_path, reason)


def redact_secrets(value: Any) -> Any:
    """Return a copy of a JSON value with every secret in it replaced by ``"[redacted]"``."""
    if isinstance(value, dict):
        named = _named_value(value)
        return {
            _redacted(key): REDACTED if key == named or _is_secret_name(key, item) else redact_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        before = (None, *value)
        if _is_list_of_pairs(value):
            return [
                [_redacted(name), REDACTED if _is_secret_pair(name, item) else _redacted(item)] for name, item in value
            ]
        return [
            REDACTED if _is_secret_option(option, item) else redact_secrets(item)
            for option, item in zip(before, value, strict=False)
        ]
    return _redacted(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Return a message in which all that is recognisable as a secret is replaced, also inside a sentence."""
    return redact_in_either_form(lambda form: redact_mentions(_redacted_as_written(form)), text)


def _redacted(text: str) -> str:
    return redact_in_either_form(_redacted_as_written, text)


def _redacted_as_written(text: str) -> str:
    text = _ASSIGNMENT.sub(lambda match: match.expand(_WITH_NAME) if _assigns_secret(match) else match[0], text)
    return _VALUE.sub(lambda match: f"{match[match.lastgroup] if match.lastgroup else ''}{REDACTED}", text)


def _assigns_secret(match: re.Match[str]) -> bool:
    """Whether a line gives a secret a value. "Password: required" does not: its value is a word."""
    is_word = match["sign"] == ":" and (match["value"].isalpha() or match["value"].isdigit())
    return not is_word and _is_secret_name(match["name"], match["value"])


def _named_value(value: dict[str, Any]) -> str | None:
    """Return the key of the secret value in ``{"name": "API_KEY", "value": "…"}``; None if no value is secret."""
    if len(value) > len(_PAIR_NAMES):
        return None
    names = [item for key, item in value.items() if key.lower() in _PAIR_NAMES]
    value_keys = [key for key in value if key.lower() in _PAIR_VALUES]
    is_secret = len(names) == len(value_keys) == 1 and _is_secret_pair(names[0], value[value_keys[0]])
    return value_keys[0] if is_secret else None


def _is_list_of_pairs(value: Any) -> bool:
    """Whether this is a list like ``[["X-Api-Key", "…"]]``."""
    return bool(value) and all(
        isinstance(pair, list | tuple) and [isinstance(item, str) for item in pair] == [True, True] for pair in value
    )


def _is_secret_pair(name: object, value: object) -> bool:
    """Whether a value is a secret that the text beside it names. The words of a glossary are no secrets."""
    is_named = isinstance(name, str) and " " not in name and isinstance(value, str) and not value.isalpha()
    return is_named and _is_secret_name(str(name), value)


def _secrets(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield from _secrets_of_object(value, path)
    elif isinstance(value, list | tuple):
        yield from _secrets_of_list(value, path)
    elif isinstance(value, str) and any(map(_has_secret, {value, unescaped(value)})):
        yield path, "has a value that looks like a secret"


def _secrets_of_object(value: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    named = _named_value(value)
    for key, item in value.items():
        where = f"{path}[{_redacted(key)!r}]"
        if key == named:
            yield where, "stands beside the name of a secret"
        if _VALUE.search(key):
            yield where, "has a name that looks like a secret"
        if _is_secret_name(key, item):
            yield where, "is named like a secret"
        yield from _secrets(item, where)


def _secrets_of_list(value: Sequence[Any], path: str) -> Iterator[tuple[str, str]]:
    for index, pair in enumerate(value if _is_list_of_pairs(value) else ()):
        if _is_secret_pair(*pair):
            yield f"{path}[{index}][1]", "stands beside the name of a secret"
    for index, (option, item) in enumerate(zip((None, *value), value, strict=False)):
        if _is_secret_option(option, item):
            yield f"{path}[{index}]", f"follows {_redacted(str(option))}"
        yield from _secrets(item, f"{path}[{index}]")


def _has_secret(text: str) -> bool:
    """Whether a text holds a secret. A prompt that says "Authorization: granted" does not: that is a word.

    In an error text such a word is replaced all the same, because that costs nothing.
    """
    return any(map(_assigns_secret, _ASSIGNMENT.finditer(text))) or any(
        match.lastgroup != "scheme" or _CREDENTIAL.search(match[0][len(match["scheme"]) :])
        for match in _VALUE.finditer(text)
    )


def _is_secret_option(option: object, value: object) -> bool:
    """Whether an argument of a command is followed by a secret: ``["--api-key", "…"]``."""
    if option in ("-u", "--user", "--proxy-user"):
        return isinstance(value, str) and _LOGIN.fullmatch(value) is not None
    return (
        isinstance(option, str)
        and isinstance(value, str)
        and option.startswith("--")
        and not value.startswith("--")
        and _is_secret_name(option, value)
    )


def _is_secret_name(name: str, value: object) -> bool:
    segments = [segment.lower() for segment in _SEGMENT.findall(name)]
    if not segments or segments[-1] in _POINTERS or not _may_be_secret(value):
        return False
    if len(segments) == 1 and segments[0] in _WHOLE_NAMES:
        return not (isinstance(value, str) and value.isalpha() and value.islower())  # token: sentence, auth: negotiate
    if _is_secret_of_login(segments, value) or _is_secret_key(segments, value):
        return True
    if segments[-1] == "token" and isinstance(value, str) and _OPAQUE.fullmatch(value):
        return True
    words = [segment for segment in segments if not segment.isdigit() and segment not in _STAGES]
    return (
        not _WORDS.isdisjoint(words)
        or not _PAIRS.isdisjoint(pairwise(words))
        or not _LAST_WORDS.isdisjoint(words[-1:])
        or "".join(words).endswith(_ENDINGS)
    )


def _is_secret_of_login(segments: list[str], value: object) -> bool:
    """Whether a name is that of the secret of a login: smtp_pass, basic_auth, userpass."""
    *before, last = segments
    of_login = bool(before) and before[-1] in _LOGINS
    if last == "pass":
        return isinstance(value, str) and (of_login or _OPAQUE.fullmatch(value) is not None)
    if last == "userpass" or (last == "auth" and of_login):
        return isinstance(value, list | tuple) or (isinstance(value, str) and ":" in value and "://" not in value)
    return False


def _is_secret_key(segments: list[str], value: object) -> bool:
    """Whether a name is that of a service's key (deepgram_key, groqKey), and the value is no word."""
    if segments[-1] != "key" or not isinstance(value, str) or _NAMED_THING.fullmatch(value):
        return False
    if len(segments) == 1:
        return _MIXED.fullmatch(value) is not None
    return _OPEN_KEYS.isdisjoint(segments) and _OPAQUE.fullmatch(value) is not None


def _may_be_secret(value: object) -> bool:
    """Whether a value may be a secret: a text that is no placeholder, or a collection that holds such a text."""
    if isinstance(value, dict):
        pointers = {key for key in value if (_SEGMENT.findall(key) or [""])[-1].lower() in _POINTERS}
        return any(_may_be_secret(item) for key, item in value.items() if key not in pointers)
    if isinstance(value, list | tuple):
        return any(_may_be_secret(item) for item in value)
    if not isinstance(value, str) or not value.strip():
        return False
    return value.strip().lower() not in _NO_SECRETS and not _PLACEHOLDER.fullmatch(value.strip())
