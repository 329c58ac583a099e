"""Read a service's answer from an exception: the status, the service's code for the error, and when to come back.

Clients of services keep that in different places: in the exception or in its ``response``, as numbers, text or nested
data, and in the exception that theirs was raised from (``__cause__``, an ``ExceptionGroup``).
"""

from __future__ import annotations

import errno
import inspect
import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import WorkFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


class Trouble(Enum):
    """The kinds of trouble that a service has, as a transient failure tells."""

    BUSY = "busy"
    """The service takes no calls now: HTTP 429, 503, 529, or a throttling code. No chunk can be to blame."""
    NO_ANSWER = "no answer"
    """Nothing came back: refused, reset, no such host, a time-out."""
    ERROR = "error"
    """The service failed at this call: any other HTTP 5xx, 408, 409, 425."""
    NONE = "none"
    """Nothing is known of the service: the failure is the chunk's own."""


_BUSY_STATUS: Final = frozenset({429, 503, 529})
_RETRIED_STATUS: Final = frozenset({408, 409, 425})
CLIENT_ERROR_MIN: Final = 400
_SERVER_ERROR_MIN: Final = 500
_STATUS_MIN, _STATUS_MAX = 100, 599
_STATUS_FIELDS: Final = ("status_code", "status", "code", "http_status", "HTTPStatusCode")
_BUSY_CODES: Final = frozenset({
    "throttling", "throttlingexception", "throttledexception", "requestthrottled", "toomanyrequestsexception",
    "requestlimitexceeded", "provisionedthroughputexceededexception", "slowdown", "resource_exhausted",
    "rate_limit_exceeded", "rate_limit_error", "overloaded_error", "unavailable", "serviceunavailable",
    "serviceunavailableexception",
})  # fmt: skip
"""The codes of AWS, Google, OpenAI and Anthropic for a busy service, in lower case."""
_CODE_FIELDS: Final = frozenset({"code", "type", "status", "reason", "Code"})
_MESSAGE_FIELDS: Final = frozenset({"message"})
_RETRY_DELAY_FIELDS: Final = frozenset({"retryDelay", "retry_delay"})
_DATA_FIELDS: Final = ("body", "details", "response")
_NESTING_MAX: Final = 6
_LINKS_MAX: Final = 32
_NETWORK_ERRNO: Final = frozenset({
    errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT,
})  # fmt: skip
_NO_ANSWER_TYPES: Final = (ConnectionError, TimeoutError)
_NO_ANSWER_NAME: Final = re.compile(
    r"\w*(Connection|ConnectionClosed|Connect|Network|Disconnected|NameResolution|Unreachable|Timeout|SSL|Proxy|DNS)"
    r"(Error|Exception)?|(Read|Write|Close|RemoteProtocol|ClientOS|ClientPayload|ChunkedEncoding|ResponseStreaming)Error"
    r"|IncompleteRead(Error)?|ProtocolError|BadStatusLine|gaierror|herror"
)
"""The names of exceptions for a call without an answer: httpx, requests, urllib3, aiohttp, botocore, and their like."""
_NOT_SENT_ERRNO: Final = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})
_NOT_SENT_NAME: Final = re.compile(
    r"ConnectionRefusedError|gaierror|herror|Connect(Error|Timeout|TimeoutError)|NewConnectionError|PoolTimeout"
    r"|ConnectionTimeoutError|NameResolutionError|ClientConnector\w*Error|EndpointConnectionError"
)
"""The names of exceptions for a call that no service has received: socket, httpx, urllib3, aiohttp, botocore."""
_MISTAKE_NAME: Final = "LocalProtocolError"
"""The name of a mistake in the program that is a ``ProtocolError``, too."""


def links(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised from, and the members of a group; the outermost first."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _LINKS_MAX:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        members = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        inner = (link.__cause__, _field(link, "reason"), *members)  # reason: URLError, urllib3
        waiting += [inner_error for inner_error in inner if isinstance(inner_error, BaseException)]


def _field(holder: Any, name: str) -> Any:
    """Return a field of an object or a mapping, or None."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    try:
        return getattr(holder, name, None)
    except Exception:  # whatever a property of the caller's exception does
        return None


# -- the status


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an exception, or in an exception that it was raised from; None without a status."""
    for link in links(error):
        response = _field(link, "response")
        for holder in (link, response, _field(response, "ResponseMetadata")):
            for name in _STATUS_FIELDS if holder is not None else ():
                status = _as_status(_field(holder, name))
                if status is not None:
                    return status
    return None


def _as_status(value: Any) -> int | None:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:4])
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_whole and _STATUS_MIN <= value <= _STATUS_MAX else None


# -- the service's code for its error


def codes_of(error: BaseException) -> Iterator[str]:
    """Yield the words by which a service names its error, such as ``insufficient_quota``, in lower case."""
    for link in links(error):
        for name in ("code", "type", "status"):
            # Static: a property here is no text of the service's, and may warn.
            value = inspect.getattr_static(link, name, None)
            if isinstance(value, str):
                yield value.lower()
        if any(kind.__name__ == "RpcError" for kind in type(link).__mro__):  # of gRPC: code() returns an enum
            yield str(_field(_called(_field(link, "code")), "name")).lower()
        for name in _DATA_FIELDS:
            yield from (word.lower() for word in _words(_field(link, name), _CODE_FIELDS))


def _called(method: Any) -> Any:
    try:
        return method()
    except Exception:  # whatever an exception of the caller's does there
        return None


def messages_of(error: BaseException) -> Iterator[str]:
    """Yield the messages in the data that a service sent with its error, in lower case."""
    for link in links(error):
        for name in _DATA_FIELDS:
            yield from (word.lower() for word in _words(_field(link, name), _MESSAGE_FIELDS))


def _words(data: Any, names: frozenset[str], level: int = 0) -> Iterator[str]:
    """Yield the texts under these names, at any depth of JSON data."""
    if level > _NESTING_MAX:
        return
    if isinstance(data, Mapping):
        for name, value in data.items():
            if isinstance(value, str):
                if name in names:
                    yield value
            else:
                yield from _words(value, names, level + 1)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _words(value, names, level + 1)


# -- what it says of the service


def trouble_of(error: BaseException) -> Trouble:
    """Return what a failure says of the service: the status first, then the codes, then the kind of exception."""
    status = status_of(error)
    if status in _BUSY_STATUS or not _BUSY_CODES.isdisjoint(codes_of(error)):
        return Trouble.BUSY
    if status is not None and status >= CLIENT_ERROR_MIN:
        is_transient = status in _RETRIED_STATUS or status >= _SERVER_ERROR_MIN
        return Trouble.ERROR if is_transient else Trouble.NONE
    return Trouble.NO_ANSWER if any(map(_means_no_answer, links(error))) else Trouble.NONE


def is_busy(error: BaseException | str) -> bool:
    """Whether an error says that the service takes no calls now; a text says nothing."""
    return isinstance(error, BaseException) and trouble_of(error) is Trouble.BUSY


def may_have_arrived(error: BaseException) -> bool:
    """Whether a call that got no answer may have reached the service, which then did the work and bills it.

    An exception says so itself by its attribute ``may_be_billed``.
    """
    for link in links(error):
        declared = _field(link, "may_be_billed")
        if isinstance(declared, bool):
            return declared
    if trouble_of(error) is not Trouble.NO_ANSWER:
        return False
    # requests raises its ConnectionError while it handles the one of urllib3 that says more.
    causes = [cause for link in links(error) for cause in (link, link.__context__) if cause is not None]
    return not any(_was_not_sent(link) for cause in causes for link in links(cause))


def _was_not_sent(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _NOT_SENT_ERRNO:
        return True
    return any(map(_NOT_SENT_NAME.fullmatch, _names_of(error)))


def _names_of(error: BaseException) -> list[str]:
    """Return the names of an exception's type and its bases, also where it came from another process."""
    names = [kind.rpartition(".")[2] for kind in error.kinds] if isinstance(error, WorkFailed) else []
    return names + [kind.__name__ for kind in type(error).__mro__]


def _means_no_answer(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNO:
        return True
    names = _names_of(error)
    is_named_so = _MISTAKE_NAME not in names and any(map(_NO_ANSWER_NAME.fullmatch, names))
    return is_named_so or isinstance(error, _NO_ANSWER_TYPES)


# -- when to come back


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
    response = _field(link, "response")
    yield _field(link, "retry_after")
    metadata = _field(response, "ResponseMetadata")
    for headers in (_field(response, "headers"), _field(metadata, "HTTPHeaders"), _field(link, "headers")):
        by_name = _named(headers)
        for name in ("retry-after-ms", "x-ms-retry-after-ms"):
            milliseconds = _seconds(by_name.get(name))
            yield None if milliseconds is None else milliseconds / 1000
        yield by_name.get("retry-after")
    for name in _DATA_FIELDS:
        yield from (delay.removesuffix("s") for delay in _words(_field(link, name), _RETRY_DELAY_FIELDS))


def _named(headers: Any) -> dict[str, Any]:
    """Return headers by their names in lower case: a mapping, a message, or pairs."""
    pairs = headers.items() if isinstance(headers, Mapping) else _called(_field(headers, "items")) or headers
    named = isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes)
    return {str(pair[0]).lower(): pair[1] for pair in pairs if isinstance(pair, tuple | list)} if named else {}


def _seconds(value: Any) -> float | None:
    """Return how many seconds a number, a text, a date or a duration means; None where it means none."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
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
        return float(text)
    except ValueError:
        from email.utils import parsedate_to_datetime  # for dates only

        return parsedate_to_datetime(text)
