"""Read from an exception when a service wants to be asked again: ``Retry-After``, in whatever form a client has it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.loop.service.service_errors import called
from checkpoint_store.model.error_text import links
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
    return None


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
    for data in data_of(link):
        yield from values_in(data, _DELAY_FIELDS)


def _named(headers: Any) -> dict[str, Any]:
    """Return headers by their names in lower case: a mapping, a message, or pairs. Two texts of a name are joined."""
    pairs = headers.items() if isinstance(headers, Mapping) else called(field_of(headers, "items")) or headers
    by_name = dict[str, Any]()
    if isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes):
        for name, value in ((str(pair[0]).lower(), pair[1]) for pair in pairs if isinstance(pair, tuple | list)):
            before = by_name.get(name)
            by_name[name] = f"{before}, {value}" if isinstance(before, str) and isinstance(value, str) else value
    return by_name


_VALUES: Final = re.compile(r"(?<=GMT),|(?<=[0-9]),")
"""Between two values of a header, as of one that a proxy set, too; a date has a comma behind its weekday."""


def _seconds(value: Any) -> float | None:
    """Return how many seconds a number, a text, a date or a duration means, the most of several; None if none."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
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


def _parsed(text: str) -> float | datetime:
    try:
        return float(text.strip().removesuffix("s"))
    except ValueError:
        from email.utils import parsedate_to_datetime  # for dates only

        return parsedate_to_datetime(text)
