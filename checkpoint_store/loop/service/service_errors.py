"""Read a service's answer from an exception: the status, and the service's code and message for the error.

Clients keep these in an exception, in its ``response``, or in the exceptions that it reports; see ``error_text``.
"""

from __future__ import annotations

import errno
import inspect
import re
from enum import Enum
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import WorkFailed
from checkpoint_store.model.error_text import links, reports_no_data, text_of
from checkpoint_store.model.no_data import refusal_behind
from checkpoint_store.model.service_answer import MESSAGE_FIELDS, data_of, field_of, words_in

if TYPE_CHECKING:
    from collections.abc import Iterator


class Trouble(Enum):
    """The kinds of trouble that a service has, as a transient failure tells."""

    BUSY = "busy"
    """The service takes no calls now: HTTP 429, 498, 503, 529, or a throttling code. No chunk can be to blame."""
    NO_ANSWER = "no answer"
    """Nothing came back: refused, reset, no such host, a time-out."""
    ERROR = "error"
    """The service failed at this call: another HTTP 5xx, 408, 409 …, a redirect, an answer cut off, an HTML page."""
    NONE = "none"
    """Nothing is known of the service: the failure is the chunk's own."""


_BUSY_STATUS: Final = frozenset({429, 498, 503, 529})
"""The statuses of a service that takes no calls; with 498 Groq says that its flex tier has no capacity."""
_RETRIED_STATUS: Final = frozenset({302, 303, 307, 408, 409, 424, 425, 499})
"""The statuses below 500 that may not come again: a captive portal sends calls elsewhere for now, with 424 Bedrock says
that its model failed, with 499 Google that a call was given up on the way."""
CLIENT_ERROR_MIN: Final = 400
_SERVER_ERROR_MIN: Final = 500
_STATUS_MIN, _STATUS_MAX = 100, 599
_STATUS_FIELDS: Final = ("status_code", "status", "code", "http_status", "HTTPStatusCode")
_OTHER_STATUS_FIELDS: Final = (
    *_STATUS_FIELDS, "statusCode", "http_status_code", "httpStatusCode", "httpStatus", "http_code", "error_code",
)  # fmt: skip
"""The fields that may have a status, or a number of another kind: only a number from 400 is taken for a status."""
_STATUS_OF_RETRIES: Final = re.compile("too many ([45][0-9]{2}) error responses")
"""How urllib3 names the status at which its own retries ended (``Retry(status_forcelist=…)``, also in requests)."""
BUSY_CODES: Final = frozenset({
    "throttling", "throttlingexception", "throttledexception", "requestthrottled", "toomanyrequestsexception",
    "requestlimitexceeded", "provisionedthroughputexceededexception", "slowdown", "resource_exhausted",
    "rate_limit_exceeded", "rate_limit_error", "overloaded_error", "unavailable", "serviceunavailable",
    "serviceunavailableexception", "ratelimitexceeded", "userratelimitexceeded", "modelnotreadyexception",
    "capacity_exceeded",
})  # fmt: skip
"""The codes of AWS, Google, OpenAI, Anthropic and Groq for a busy service, in lower case."""
_OVERLOADED: Final = '"overloaded_error"'
"""The code of Anthropic in the text of an exception of litellm, which turns the status 529 into 500."""
FAULT_CODES: Final = frozenset({
    "api_error", "timeout_error", "server_error", "internal_server_error", "internal", "deadline_exceeded",
    "internalserverexception", "modelerrorexception", "modelstreamerrorexception",
})  # fmt: skip
"""The codes of Anthropic, OpenAI, gRPC and Bedrock for a fault of the service, in lower case; also under HTTP 200."""
_GRPC_TIME_OUT: Final = "deadline_exceeded"
"""The code with which a client of gRPC ends a call that took too long: the service may go on with the call."""
TOO_LARGE: Final = "request_too_large"
"""The code of Anthropic for a call that is too large."""
_TOO_LARGE_MESSAGE: Final = "request too large for "
"""The message of OpenAI and Groq, with HTTP 429, for a call that alone is above the limit for a minute."""
_MADE_UP_STATUS: Final = frozenset({400, 408, 500})
"""The statuses of errors for which no service answered: litellm gives 408 to a time-out and 500 to a broken connection,
aiohttp gives 400 to an answer that is no HTTP."""
_CODE_FIELDS: Final = frozenset({"code", "type", "status", "reason", "Code"})
_NOT_SENT_ERRNO: Final = frozenset({
    errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL,
})  # fmt: skip
_NETWORK_ERRNO: Final = _NOT_SENT_ERRNO | {errno.ENETRESET, errno.ETIMEDOUT}
_NO_ANSWER_NAME: Final = re.compile(
    r"\w*(Connection|ConnectionClosed|Connect|Network|Disconnected|NameResolution|Unreachable|Timeout|SSL|Proxy|DNS)"
    r"(Error|Exception)?|(Read|Write|Close|RemoteProtocol|ClientOS)Error"
    r"|Service(Request|Response)Error|NoResponseError|ProtocolError|BadStatusLine|HttpProcessingError|(gai|h)error"
    r"|EmptyPoolError|TooManyRedirects"
)
"""The names of exceptions for a call without an answer: httpx, requests, urllib3, aiohttp, botocore, azure-core."""
_CUT_OFF_NAME: Final = re.compile(
    r"(ClientPayload|ChunkedEncoding|ResponseStreaming|(Content)?Decoding)Error|IncompleteRead(Error)?"
)
_DAMAGED: Final = "urllib3.exceptions.DecodeError"
_CUT_OFF_TEXT: Final = "without sending complete message body"
"""How an answer that was cut off, or is damaged, is named by aiohttp, requests, httpx, botocore and urllib3.

The service began to answer, so it bills the call. aiohttp reports the cut as HTTP 400, which no service has sent.
"""
_NO_TUNNEL: Final = "Tunnel connection failed: "
_NO_ADDRESS: Final = "Multiple exceptions: [Errno "
"""What http.client says of a proxy (the status behind it is the proxy's), and asyncio of a host with two addresses."""
_STATUS_OF_PROXY: Final = re.compile(rf"(?:{_NO_TUNNEL}|\A)([45][0-9]{{2}})\b")
_OF_PROXY: Final = frozenset({"ClientHttpProxyError", "ProxyError"})
"""The exceptions of a proxy that made no tunnel to the service: of aiohttp, and of httpx, requests and urllib3."""
_REFUSED_BY_PROXY: Final = frozenset({401, 403, 407})
"""The statuses of a proxy that lets no call of this program through."""
_NOT_SENT_NAME: Final = re.compile(
    r"ConnectionRefusedError|gaierror|herror|Connect(Error|Timeout|TimeoutError)|NewConnectionError|PoolTimeout"
    r"|ConnectionTimeoutError|NameResolutionError|ClientConnector\w*Error|EndpointConnectionError|ServiceRequestError"
    r"|SSLCertVerificationError|CertificateError|EmptyPoolError|(ClientHttp)?ProxyError|TooManyRedirects"
)
"""The names of exceptions for a call that no service has received: those of sockets, TLS and the usual clients."""
_MISTAKE_NAME: Final = "LocalProtocolError"
"""The name of a mistake in the program that is a ``ProtocolError``, too."""


# -- the status


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an exception, or in an exception that it reports; None without a status."""
    return _status_and_holder(error)[0]


def _status_and_holder(error: BaseException) -> tuple[int | None, BaseException]:
    """Return the status, and the exception that has it. A status below 400 excludes no status in the data."""
    success: tuple[int | None, BaseException] = None, error
    for link in links(error):
        response = field_of(link, "response")
        for holder in (link, response, field_of(response, "ResponseMetadata")):
            for name in _STATUS_FIELDS if holder is not None else ():
                status = _as_status(field_of(holder, name))
                if status is not None and status >= CLIENT_ERROR_MIN:
                    return status, link
                success = success if status is None or success[0] is not None else (status, link)
        look_for = _STATUS_OF_PROXY.search if _is_of_proxy(link) else _STATUS_OF_RETRIES.fullmatch
        if (match := look_for(text_of(link))) is not None:
            return int(match[1]), link
    for link in links(error):
        body = field_of(link, "body") or refusal_behind(link)
        for holder in (link, field_of(link, "error"), body, field_of(body, "error")):
            for name in _OTHER_STATUS_FIELDS if holder is not None else ():
                status = _as_status(field_of(holder, name), CLIENT_ERROR_MIN)
                if status is not None:
                    return status, link
    return success


def _as_status(value: Any, status_min: int = _STATUS_MIN) -> int | None:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:4])
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_whole and status_min <= value <= _STATUS_MAX else None


# -- the service's code for its error


def codes_of(error: BaseException) -> Iterator[str]:
    """Yield the words by which a service names its error, such as ``insufficient_quota``, in lower case."""
    for link in links(error):
        for name in ("code", "type", "status"):
            # Static: a property here is no text of the service's, and may warn.
            value = inspect.getattr_static(link, name, None)
            if isinstance(value, str):
                yield value.lower()
        if (code := _grpc_code(link)) is not None:
            yield code
        yield from (word.lower() for data in data_of(link) for word in words_in(data, _CODE_FIELDS))


def _grpc_code(link: BaseException) -> str | None:
    """Return the code of a gRPC error in lower case, where ``code()`` returns an enum; None for another error."""
    is_of_grpc = any(kind.__name__ == "RpcError" for kind in type(link).__mro__)
    return str(field_of(called(field_of(link, "code")), "name")).lower() if is_of_grpc else None


def called(method: Any) -> Any:
    """Return what a method without arguments returns; None if it raises an error."""
    try:
        return method()
    except Exception:  # whatever an exception of the caller's does there
        return None


def messages_of(error: BaseException) -> Iterator[str]:
    """Yield the messages in the data that a service sent with its error, in lower case."""
    for link in links(error):
        yield from (word.lower() for data in data_of(link) for word in words_in(data, MESSAGE_FIELDS))


# -- what it says of the service


def trouble_of(error: BaseException) -> Trouble:
    """Return what a failure says of the service: the status first, then the codes, then the kind of exception."""
    status, holder = _status_and_holder(error)
    codes = frozenset(codes_of(error))
    if TOO_LARGE in codes or is_too_large(error):
        return Trouble.NONE  # the next call would be too large, too
    is_overloaded = status in _MADE_UP_STATUS and _OVERLOADED in text_of(holder)
    if status in _BUSY_STATUS or codes & BUSY_CODES or is_overloaded:
        return Trouble.BUSY
    if _was_cut_off(error):
        return Trouble.ERROR
    is_made_up = status in _MADE_UP_STATUS and _reports_no_answer(holder)
    if is_made_up or (_is_of_proxy(holder) and status not in _REFUSED_BY_PROXY):
        return Trouble.NO_ANSWER
    is_transient = status in _RETRIED_STATUS or (status or 0) >= _SERVER_ERROR_MIN
    if is_transient or (status or 0) >= CLIENT_ERROR_MIN:
        return Trouble.ERROR if is_transient else Trouble.NONE
    fault = Trouble.ERROR if codes & FAULT_CODES or reports_no_data(error) else Trouble.NONE
    return Trouble.NO_ANSWER if any(map(_means_no_answer, links(error))) else fault


def _is_of_proxy(error: BaseException) -> bool:
    """Whether an exception says that a proxy made no tunnel to the service, whose status it may have."""
    return not _OF_PROXY.isdisjoint(names_of(error)) or _NO_TUNNEL in text_of(error)


def is_too_large(error: BaseException) -> bool:
    """Whether a service says that a call is above its limit for a minute by itself."""
    return any(message.startswith(_TOO_LARGE_MESSAGE) for message in messages_of(error))


def _reports_no_answer(holder: BaseException) -> bool:
    """Whether the exception that has the status made the status up, and reports a call that got no answer."""
    # A WorkFailed has no made-up status.
    is_answered = field_of(holder, "response") is not None or isinstance(holder, WorkFailed)
    return any(_means_no_answer(link) for link in links(holder) if link is not holder or not is_answered)


def is_busy(error: BaseException) -> bool:
    """Whether an error says that the service takes no calls now."""
    return trouble_of(error) is Trouble.BUSY


def may_have_arrived(error: BaseException) -> bool:
    """Whether a call that got no answer may have reached the service, which then did the work and bills it.

    An exception says so itself by its attribute ``may_be_billed``.
    """
    for link in links(error):
        declared = field_of(link, "may_be_billed")
        if isinstance(declared, bool):
            return declared
    if trouble_of(error) is not Trouble.NO_ANSWER:
        return _was_cut_off(error) or any(_grpc_code(link) == _GRPC_TIME_OUT for link in links(error))
    # requests raises its ConnectionError while it handles the one of urllib3 that says more.
    causes = [cause for link in links(error) for cause in (link, link.__context__) if cause is not None]
    return not any(_was_not_sent(link) for cause in causes for link in links(cause))


def _was_cut_off(error: BaseException) -> bool:
    return any(
        _CUT_OFF_TEXT in text_of(link)
        or _DAMAGED in kinds_of(link)
        or any(map(_CUT_OFF_NAME.fullmatch, names_of(link)))
        for link in links(error)
    )


def _was_not_sent(error: BaseException) -> bool:
    if (isinstance(error, OSError) and error.errno in _NOT_SENT_ERRNO) or _says_no_connection(error):
        return True
    # ssl sets up TLS before the call is sent; the errors of that have the types of later ones.
    is_of_handshake = any(frame.f_code.co_name == "do_handshake" for frame, _ in walk_tb(error.__traceback__))
    return is_of_handshake or any(map(_NOT_SENT_NAME.fullmatch, names_of(error)))


def _says_no_connection(error: BaseException) -> bool:
    text = text_of(error)  # which may have megabytes
    return _NO_TUNNEL in text or text.startswith(_NO_ADDRESS)


def names_of(error: BaseException) -> list[str]:
    """Return the names of an exception's type and its bases, also where it came from another process."""
    return [kind.rpartition(".")[2] for kind in kinds_of(error)]


def kinds_of(error: BaseException) -> list[str]:
    """Return the full names of an exception's type and its bases, also where it came from another process."""
    kinds = error.kinds if isinstance(error, WorkFailed) else ()
    return [*kinds, *(full_name(kind) for kind in type(error).__mro__)]


def full_name(kind: type) -> str:
    """Return the name of a type with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _means_no_answer(error: BaseException) -> bool:
    if (isinstance(error, OSError) and error.errno in _NETWORK_ERRNO) or _says_no_connection(error):
        return True
    names = names_of(error)
    is_named_so = _MISTAKE_NAME not in names and any(map(_NO_ANSWER_NAME.fullmatch, names))
    return is_named_so or isinstance(error, ConnectionError | TimeoutError)
