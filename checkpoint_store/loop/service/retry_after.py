"""Read from an exception when a service wants to be asked again: ``Retry-After``, in whatever form a client has it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.loop.service.service_errors import called, is_busy
from checkpoint_store.model.error_text import ERROR_LENGTH_MAX, links, text_of
from checkpoint_store.model.service_answer import RESPONSE_FIELDS, data_of, field_of, values_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_DELAY_FIELDS: Final = frozenset({"retryDelay", "retry_delay", "retry_after", "retryAfter"})
"""The names under which a service puts the seconds into its answer: Google's are the first, Discord's the third."""


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that a service asks to wait, however many; None if it names no future moment."""
    for link in links(error):
        for value in _asked(link):
            seconds = _seconds(value)
            if seconds is not None and seconds > 0:
                return seconds
    texts = [text_of(link)[:ERROR_LENGTH_MAX] for link in links(error)] if is_busy(error) else []
    asked = (match["time"] for match in map(_IN_WORDS.search, texts) if match)
    return next((seconds for text in asked if (seconds := _seconds(text)) is not None and seconds > 0), None)


def _asked(link: BaseException) -> Iterator[Any]:
    """Yield what an exception may say of the time to wait, the most precise first."""
    responses = [field_of(link, name) for name in RESPONSE_FIELDS]
    yield field_of(link, "retry_after")
    metadata = field_of(responses[0], "ResponseMetadata")
    holders = [*(field_of(response, "headers") for response in responses), field_of(metadata, "HTTPHeaders")]
    for headers in (*holders, field_of(link, "headers")):
        by_name = _named(headers)
        for name in ("retry-after-ms", "x-ms-retry-after-ms"):
            milliseconds = _seconds(by_name.get(name))
            yield None if milliseconds is None else milliseconds / 1000
        yield by_name.get("retry-after")
        yield max(_resets(by_name), default=None)
    for data in data_of(link):
        yield from values_in(data, _DELAY_FIELDS)


def _resets(by_name: Mapping[str, Any]) -> Iterator[float]:
    """Yield in how many seconds the limits are lifted that are used up, by headers like ``x-ratelimit-reset-tokens``.

    A number alone is the seconds since 1970, or the milliseconds, as of GitHub and OpenRouter; lower ones are unclear.
    """
    for name, value in by_name.items():
        remaining = by_name.get(name.replace("reset", "remaining"))
        if not name.startswith("x-ratelimit-reset") or str(remaining).strip() != "0":
            continue
        seconds = _seconds(value)
        if str(value).strip().isdecimal():
            moment = (seconds or 0) / (1 if (seconds or 0) < _MOMENT_IN_MILLISECONDS_MIN else 1000)
            seconds = moment - time.time() if moment >= _MOMENT_MIN else None
        if seconds is not None:
            yield seconds


def _named(headers: Any) -> dict[str, Any]:
    """Return headers by their names in lower case: a mapping, a message, or pairs. Two texts of a name are joined."""
    pairs = headers.items() if isinstance(headers, Mapping) else called(field_of(headers, "items")) or headers
    by_name = dict[str, Any]()
    if isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes):
        for name, value in ((str(pair[0]).lower(), pair[1]) for pair in pairs if isinstance(pair, tuple | list)):
            before = by_name.get(name)
            by_name[name] = f"{before}, {value}" if isinstance(before, str) and isinstance(value, str) else value
    return by_name


_MOMENT_MIN: Final = 1e9
_MOMENT_IN_MILLISECONDS_MIN: Final = 1e12
_DURATION: Final = re.compile(
    r"""
      (?=[0-9]) (?:(?P<hours>[0-9]+)[ ]?(?:h|hours?)[ ]?)? (?:(?P<minutes>[0-9]+)[ ]?(?:m|min|minutes?)[ ]?)?
      (?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)[ ]?(?:s|sec|seconds?)[ ]?)?
      (?:(?P<milliseconds>[0-9]+(?:\.[0-9]+)?)[ ]?(?:ms|milliseconds?))? (?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A time with its units: 1s, 6m0s, 2m59.5s, 120ms, 20 seconds."""
_IN_WORDS: Final = re.compile(
    r"\b(?:try again|retry) (?:in|after) (?P<time>[0-9.]+ ?[a-z]+(?:[0-9.]+[a-z]+)*)", re.IGNORECASE
)
"""How OpenAI, Azure, Groq and Google say in a message when to call again."""
_VALUES: Final = re.compile(r"(?<=GMT),|(?<=[0-9]),")
"""Between two values of a header, as of one that a proxy set, too; a date has a comma behind its weekday."""


def _seconds(value: Any) -> float | None:
    """Return how many seconds a number, a text, a date or a duration means, the most of several; None if none."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, Mapping):  # a duration of protobuf
        value = value.get("seconds")
    if isinstance(value, str):
        return max(
            (seconds for part in _VALUES.split(value) if (seconds := _seconds_of(part)) is not None), default=None
        )
    return _seconds_of(value)


def _seconds_of(value: Any) -> float | None:
    try:
        moment = _parsed(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
        seconds = moment.total_seconds() if isinstance(moment, timedelta) else float(moment)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if isinstance(value, bool) or math.isnan(seconds) else seconds


def _parsed(text: str) -> float | datetime | timedelta:
    text = text.strip()
    if (match := _DURATION.fullmatch(text)) is not None:
        return timedelta(**{unit: float(count) for unit, count in match.groupdict().items() if count})
    try:
        return float(text)
    except ValueError:
        from email.utils import parsedate_to_datetime  # for dates only

        return parsedate_to_datetime(text)
