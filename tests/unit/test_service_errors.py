"""What a loop reads in an exception: the shapes of the usual clients, built by hand, and the real classes."""

from __future__ import annotations

import email.message
import errno
import http.client
import pickle
import socket
import ssl
import urllib.error
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import httpx
import pytest
import requests
from each_case import each_case
from multidict import CIMultiDict, CIMultiDictProxy
from urllib3.exceptions import EmptyPoolError, MaxRetryError, NewConnectionError, ProtocolError
from yarl import URL

from checkpoint_store.errors import WorkerDied
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import (
    as_work_failed,
    is_fatal,
    is_transient,
    matcher,
    pause_before_retry,
)
from checkpoint_store.loop.service.service_errors import Trouble, may_have_arrived, status_of, trouble_of

REQUEST = httpx.Request("POST", "https://api.example/v1")


def shaped(base: type[Exception] = Exception, /, **fields: Any) -> Exception:
    """Return an exception with these fields."""
    error = base("no")
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def named(name: str, base: type[Exception] = Exception) -> Exception:
    """Return an exception of a class of this name."""
    return type(name, (base,), {})("no")


def raised_from(cause: BaseException, error: Exception | None = None) -> Exception:
    """Return an exception that was raised from another one."""
    try:
        raise (error or RuntimeError("my own client failed")) from cause
    except Exception as wrapped:
        return wrapped


def of_openai(status: int, code: str | None = None, **headers: str) -> Exception:
    import openai  # half a second, which only the process that runs these tests takes

    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"code": code, "type": code, "message": "no"} if code else None
    kind = {401: openai.AuthenticationError, 429: openai.RateLimitError}.get(status, openai.InternalServerError)
    return kind("no", response=httpx.Response(status, headers=headers, request=REQUEST), body=body)


def unanswered_openai(cause: Exception | None = None, kind: str = "APIConnectionError") -> Exception:
    import openai  # see above

    error: Exception = getattr(openai, kind)(request=REQUEST)
    return raised_from(cause, error) if cause else error


def of_httpx(status: int, **headers: str) -> httpx.HTTPStatusError:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(status, headers=headers))


def of_requests(status: int, **headers: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.HTTPError("no", response=response)


def of_aiohttp(status: int, **headers: str) -> aiohttp.ClientResponseError:
    named = CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))
    request = aiohttp.RequestInfo(URL("https://api.example"), "GET", named, URL("https://api.example"))
    return aiohttp.ClientResponseError(request, (), status=status, headers=named)


def of_urllib(status: int, **headers: str) -> urllib.error.HTTPError:
    message = email.message.Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    error = urllib.error.HTTPError("https://api.example", status, "no", message, None)
    error.close()
    return error


def of_botocore(status: int, code: str, **headers: str) -> Exception:
    """As botocore.exceptions.ClientError: the response is a dict."""
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
    }
    return shaped(response={"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata})


def of_genai(status: int, word: str, **detail: str) -> Exception:
    """As google.genai.errors.APIError: ``code`` is the HTTP status, ``status`` a word, and ``details`` the JSON."""
    details = {"error": {"code": status, "status": word, "message": "no", "details": [detail]}}
    return shaped(code=status, status=word, details=details, response=httpx.Response(status, request=REQUEST))


def of_anthropic(status: int, kind: str, message: str = "no") -> Exception:
    """As anthropic.APIStatusError."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return shaped(status_code=status, body=body, response=httpx.Response(status, request=REQUEST))


class RpcError(Exception):
    """As grpc.RpcError: ``code()`` returns an enum."""

    def __init__(self, name: str) -> None:
        self._name = name

    def code(self) -> Any:
        return SimpleNamespace(name=self._name)


class DeprecatedError(Exception):
    """A property that warns, as the ``code`` of aiohttp's errors does."""

    status = 500

    @property
    def code(self) -> int:
        raise DeprecationWarning


BUSY, NO_ANSWER, ERROR = Trouble.BUSY, Trouble.NO_ANSWER, Trouble.ERROR
CUT_TEXT = "peer closed connection without sending complete message body (incomplete chunked read)"


@cache
def cut_off() -> dict[str, Exception]:
    """Return the errors of answers that broke off."""
    return {
        "aiohttp, which makes up a status": raised_from(
            aiohttp.http_exceptions.ContentLengthError("Not enough data"), aiohttp.ClientPayloadError("not completed")
        ),
        "http.client": http.client.IncompleteRead(b"{"),
        "httpx": httpx.RemoteProtocolError(CUT_TEXT),
        "openai": unanswered_openai(httpx.RemoteProtocolError(CUT_TEXT)),
        "requests": requests.exceptions.ChunkedEncodingError("Response ended prematurely"),
        "requests, damaged": requests.exceptions.ContentDecodingError("failed to decode it"),
        "httpx, damaged": httpx.DecodingError("incorrect header check"),
        "openai, damaged": unanswered_openai(httpx.DecodingError("incorrect")),
    }


@cache
def no_answers(client: str, *kinds: type[Exception]) -> dict[str, tuple[Exception, Trouble]]:
    """Return an error of each kind, by which a client says that no answer came."""
    return {f"{client} {kind.__name__}": (kind("no"), NO_ANSWER) for kind in kinds}


def waited_for() -> dict[str, tuple[Exception, Trouble]]:
    """Return the errors after which a chunk is tried again, with what each says of the service."""
    return {
        "openai 429": (of_openai(429), BUSY),
        "openai 503": (of_openai(503), BUSY),
        "openai 500": (of_openai(500), ERROR),
        "openai no answer": (unanswered_openai(), NO_ANSWER),
        "openai time-out": (unanswered_openai(kind="APITimeoutError"), NO_ANSWER),
        "httpx 429": (of_httpx(429), BUSY),
        "httpx 502": (of_httpx(502), ERROR),
        **no_answers(
            "httpx",
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ReadTimeout,
            httpx.PoolTimeout,
            httpx.ReadError,
            httpx.WriteError,
            httpx.CloseError,
            httpx.RemoteProtocolError,
            httpx.ProxyError,
        ),
        "requests 429": (of_requests(429), BUSY),
        "requests 500": (of_requests(500), ERROR),
        **no_answers(
            "requests",
            requests.ConnectionError,
            requests.ConnectTimeout,
            requests.ReadTimeout,
            requests.exceptions.SSLError,
        ),
        "aiohttp 429": (of_aiohttp(429), BUSY),
        "aiohttp 504": (of_aiohttp(504), ERROR),
        "aiohttp ClientConnectionError": (aiohttp.ClientConnectionError("no"), NO_ANSWER),
        "aiohttp ServerDisconnectedError": (aiohttp.ServerDisconnectedError(), NO_ANSWER),
        "aiohttp ServerTimeoutError": (aiohttp.ServerTimeoutError(), NO_ANSWER),
        "aiohttp ClientOSError": (aiohttp.ClientOSError(104, "reset"), NO_ANSWER),
        "urllib 429": (of_urllib(429), BUSY),
        "urllib refused": (urllib.error.URLError(ConnectionRefusedError(111, "refused")), NO_ANSWER),
        "urllib no such host": (urllib.error.URLError(socket.gaierror(-2, "no such host")), NO_ANSWER),
        "http.client disconnected": (http.client.RemoteDisconnected("no"), NO_ANSWER),
        **{f"cut off: {name}": (error, ERROR) for name, error in cut_off().items()},
        "botocore throttling": (of_botocore(400, "ThrottlingException"), BUSY),
        "botocore 503": (of_botocore(503, "ServiceUnavailableException"), BUSY),
        "botocore 500": (of_botocore(500, "InternalServerException"), ERROR),
        "botocore endpoint": (named("EndpointConnectionError"), NO_ANSWER),
        "botocore time-out": (named("ReadTimeoutError"), NO_ANSWER),
        "botocore closed": (named("ConnectionClosedError"), NO_ANSWER),
        "google-genai 429": (of_genai(429, "RESOURCE_EXHAUSTED"), BUSY),
        "google-genai 503": (of_genai(503, "UNAVAILABLE"), BUSY),
        "google-genai 500": (of_genai(500, "INTERNAL"), ERROR),
        "anthropic 529": (of_anthropic(529, "overloaded_error"), BUSY),
        "gRPC unavailable": (RpcError("UNAVAILABLE"), BUSY),
        "gRPC exhausted": (RpcError("RESOURCE_EXHAUSTED"), BUSY),
        "code is an HTTPStatus": (shaped(code=HTTPStatus.TOO_MANY_REQUESTS), BUSY),
        "status is text": (shaped(status="503"), BUSY),
        "http_status": (shaped(http_status=500), ERROR),
        "statusCode": (shaped(statusCode=502), ERROR),
        "http_code": (shaped(http_code=503), BUSY),
        "error_code": (shaped(error_code="429"), BUSY),
        "status in an error": (shaped(error={"status": 503, "message": "no"}), BUSY),
        "code in the error of a body": (shaped(body={"error": {"code": 429, "message": "no"}}), BUSY),
        "code in the body of an answer of 200": (shaped(status=200, body={"error": {"code": 429}}), BUSY),
        "word in an error": (shaped(error={"type": "overloaded_error"}), BUSY),
        "408": (shaped(status_code=408), ERROR),
        "409": (shaped(status_code=409), ERROR),
        "property that warns": (DeprecatedError(), ERROR),
        "refused": (ConnectionRefusedError(111, "refused"), NO_ANSWER),
        "unreachable": (OSError(101, "network is unreachable"), NO_ANSWER),
        "TLS": (ssl.SSLError("no"), NO_ANSWER),
        "time-out": (TimeoutError(), NO_ANSWER),
        "wrapped": (raised_from(of_openai(429)), BUSY),
        "wrapped twice": (raised_from(raised_from(of_httpx(503))), BUSY),
        "a mistake because of the network": (raised_from(ConnectionError(), KeyError("answer")), NO_ANSWER),
        "in a group": (ExceptionGroup("two", [ValueError("no"), of_openai(429)]), BUSY),
        "in a group in a group": (ExceptionGroup("a", [ExceptionGroup("b", [raised_from(of_requests(500))])]), ERROR),
        "from another process": (as_work_failed(raised_from(of_openai(503)), "no", ""), BUSY),
        "no answer, from another process": (as_work_failed(raised_from(httpx.ReadTimeout("no")), "no", ""), NO_ANSWER),
    }


@cache
def paused_on() -> dict[str, Exception]:
    """Return the errors that every chunk would meet."""
    return {
        "openai 401": of_openai(401),
        "openai quota": of_openai(429, "insufficient_quota"),
        "httpx 403": of_httpx(403),
        "requests 402": of_requests(402),
        "aiohttp 401": of_aiohttp(401),
        "urllib 401": of_urllib(401),
        "botocore denied": of_botocore(403, "AccessDeniedException"),
        "botocore expired": of_botocore(400, "ExpiredTokenException"),
        "botocore no key": named("NoCredentialsError"),
        "google-genai 403": of_genai(403, "PERMISSION_DENIED"),
        "google-genai bad key": of_genai(400, "INVALID_ARGUMENT", reason="API_KEY_INVALID"),
        "google-genai, another country": (abroad := of_anthropic(400, "no", "User location is not supported …")),
        "the same from another process": as_work_failed(abroad, "no", ""),
        "anthropic 401": of_anthropic(401, "authentication_error"),
        "anthropic credit": of_anthropic(
            400, "invalid_request_error", "Your credit balance is too low to access the API."
        ),
        "gRPC": RpcError("UNAUTHENTICATED"),
        "code is an HTTPStatus": shaped(code=HTTPStatus.UNAUTHORIZED),
        "status in an error": shaped(error={"status": 401}),
        "code in the error of an answer of 200": shaped(status=200, error={"code": 401}),
        "error_code, wrapped": raised_from(shaped(error_code=402)),
        "statusCode, from another process": as_work_failed(shaped(statusCode=403), "no", ""),
        "wrapped": raised_from(of_openai(401)),
        "in a group": ExceptionGroup("one", [of_httpx(403)]),
        "from another process": as_work_failed(raised_from(of_openai(429, "insufficient_quota")), "no", ""),
    }


OF_THE_CHUNK = {
    "a bad answer": (ValueError("no JSON"), True),
    "anything else": (RuntimeError("no"), True),
    "a worker died": (WorkerDied("it ended"), True),
    "httpx LocalProtocolError": (httpx.LocalProtocolError("no"), True),
    "a library that is no network": (named("NetworkXError"), True),
    "a mistake": (KeyError("answer"), False),
    "404": (of_httpx(404), False),
    "422": (shaped(status_code=422), False),
    "a validation error of AWS": (of_botocore(400, "ValidationException"), False),
    "400 from Google": (of_genai(400, "INVALID_ARGUMENT"), False),
    "an exit code is no status": (shaped(code=1), True),
    "a close code is no status": (shaped(code=1006), True),
    "a number of an error's own is no status": (shaped(error_code=110, statusCode=399, error={"status": 1}), True),
    "a text beside an error is no status": (shaped(error="no", http_code="4xx"), True),
    "the status of an answer comes before another number": (shaped(error_code=503, status_code=404), False),
    "True is no status": (shaped(status_code=True), True),
}


@each_case("name", waited_for)
def test_a_service_in_trouble_is_waited_for(name: str) -> None:
    """A chunk is tried again after trouble of the service, however the client reports it."""
    error, trouble = waited_for()[name]
    assert (trouble_of(error), is_transient(error), is_fatal(error)) == (trouble, True, False)


@each_case("name", cut_off)
def test_an_answer_that_was_cut_off_is_tried_again_and_may_be_billed(name: str) -> None:
    """The service was at work on it; also where its client names a status that no service has sent.

    An answer that was damaged on its way, so that its client cannot unpack it, was at least as much work.
    """
    assert (is_transient(cut_off()[name]), may_have_arrived(cut_off()[name])) == (True, True)


@each_case("name", paused_on)
def test_what_every_chunk_would_meet_is_seen_however_it_is_said(name: str) -> None:
    """A bad key and a used-up quota, also wrapped, and with HTTP 400."""
    assert is_fatal(paused_on()[name])


@each_case("name", OF_THE_CHUNK)
def test_a_failure_of_the_chunk_is_no_trouble_of_the_service(name: str) -> None:
    """The loop does not wait for it; mistakes and lasting refusals are not tried again."""
    error, is_retried = OF_THE_CHUNK[name]
    assert (trouble_of(error), is_transient(error), is_fatal(error)) == (Trouble.NONE, is_retried, False)


@each_case(
    "error",
    lambda: [
        of_openai(429, retry_after="3"),
        of_openai(429, retry_after_ms="3000"),
        of_openai(429, x_ms_retry_after_ms="3000", retry_after="9"),
        of_httpx(503, Retry_After="3"),
        of_requests(429, RETRY_AFTER="3"),
        of_requests(429, retry_after="3, 1"),
        shaped(headers=[("Retry-After", "3"), ("retry-after", "1")]),
        shaped(headers=[("Retry-After", "3"), ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]),
        of_requests(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT, 3"),
        of_requests(429, retry_after="3,"),
        of_aiohttp(429, retry_after="3"),
        of_urllib(429, Retry_After="3"),
        of_botocore(400, "ThrottlingException", Retry_After="3"),
        of_genai(429, "RESOURCE_EXHAUSTED", retryDelay="3s"),
        shaped(status_code=429, headers={"Retry-After": "3s"}),
        shaped(status_code=429, body={"message": "no", "retry_after": 3.0}),
        shaped(status_code=429, body=b'{"error": {"parameters": [{"retry_after": 3}]}}', retry_after=0),
        shaped(response=SimpleNamespace(headers={"ReTrY-aFtEr": 3})),
        shaped(headers=[("Retry-After", b"3")]),
        shaped(retry_after="3"),
        shaped(retry_after=timedelta(seconds=3)),
        raised_from(of_httpx(429, retry_after="3")),
        ExceptionGroup("two", [ValueError("no"), of_aiohttp(429, retry_after="3")]),
        as_work_failed(raised_from(of_requests(429, retry_after="3")), "no", ""),
    ],
)
def test_retry_after_is_found_wherever_it_is(error: Exception) -> None:
    """Retry-After is found in a response, an error, a dict or a cause, as seconds or milliseconds; the longest of two."""
    assert retry_after(error) == 3
    assert 3 <= pause_before_retry(0, 1, error) <= 3.5


def test_a_date_is_the_time_until_then() -> None:
    """A Retry-After may be a date, as text or as an object; a date without a time zone means UTC."""
    later = datetime.now(UTC) + timedelta(seconds=60)
    dates: tuple[Any, ...] = (format_datetime(later, usegmt=True), later, later.strftime("%d %b %Y %H:%M:%S -0000"))
    for date in dates:
        assert 50 < (retry_after(shaped(retry_after=date)) or 0) <= 60


@each_case("value", ["0", 0, -5, "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "", None, "nan", True, [], {}])
def test_no_time_to_come_is_the_growing_wait(value: Any) -> None:
    """A date in the past (a clock that is wrong), zero, and what means nothing."""
    error = shaped(retry_after=value)
    assert retry_after(error) is None
    assert pause_before_retry(None, 4, error) >= 4


@pytest.mark.parametrize("value", ["1798310584", 10**12, "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_wait_is_an_hour_and_is_logged(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A timestamp where seconds belong would be waited for until it is forgotten."""
    assert 3600 <= pause_before_retry(None, 1, shaped(retry_after=value)) <= 3601
    [record] = caplog.records
    assert (record.levelname, "Retry-After" in record.getMessage()) == ("WARNING", True)


def test_types_match_what_an_error_was_raised_from() -> None:
    """``stop_on`` and ``retry_on`` by types mean a wrapped error, too; a function decides for itself."""
    import openai  # see of_openai

    wrapped, group = raised_from(of_openai(401)), ExceptionGroup("one", [raised_from(of_openai(401))])
    stops = matcher("stop_on", openai.AuthenticationError, is_fatal)
    assert stops(wrapped)
    assert stops(group)
    assert not stops(raised_from(of_openai(429)))
    assert not matcher("stop_on", lambda error: isinstance(error, openai.OpenAIError), is_fatal)(wrapped)


def test_a_services_answer_survives_the_way_from_another_process() -> None:
    """The status of a failed call survives the way from another process, even if it is in the exception's cause."""
    for error in (of_openai(429), raised_from(of_openai(429)), raised_from(ConnectionError())):
        arrived = pickle.loads(pickle.dumps(Raised(error))).as_failure()
        assert trouble_of(arrived) is trouble_of(error) is not Trouble.NONE
        assert (status_of(arrived), retry_after(arrived)) == (status_of(error), retry_after(error))


def test_a_circle_of_causes_ends() -> None:
    """An exception that was raised again from what it had caused."""
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert (status_of(first), retry_after(first), trouble_of(first)) == (None, None, Trouble.NONE)


def raised_by_requests(reason: Exception) -> Exception:
    """Return what requests raises while it handles the error of urllib3, which has the reason."""
    try:
        raise MaxRetryError(cast("Any", None), "/v1", reason)
    except MaxRetryError as inner:
        try:
            raise requests.ConnectionError(inner)
        except requests.ConnectionError as outer:
            return outer


@each_case(
    ("error", "arrived"),
    lambda: [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (http.client.IncompleteRead(b"{"), True),
        (httpx.ReadTimeout("no", request=REQUEST), True),
        (unanswered_openai(httpx.ReadTimeout("no"), "APITimeoutError"), True),
        (requests.ReadTimeout(), True),
        (raised_by_requests(ProtocolError("broken", ConnectionResetError())), True),
        (RpcError("DEADLINE_EXCEEDED"), True),
        (raised_from(RpcError("DEADLINE_EXCEEDED"), shaped(code=504)), True),
        (RpcError("UNAVAILABLE"), False),
        (ConnectionRefusedError(), False),
        (urllib.error.URLError(socket.gaierror(-2, "no such host")), False),
        (OSError(errno.ENETUNREACH, "no network"), False),
        (httpx.ConnectTimeout("no", request=REQUEST), False),
        (httpx.ProxyError("502 Bad Gateway", request=REQUEST), False),
        (EmptyPoolError(cast("Any", None), "no connection is free"), False),
        (unanswered_openai(httpx.ConnectError("no")), False),
        (raised_by_requests(NewConnectionError(cast("Any", None), "refused")), False),
        (named("EndpointConnectionError", named("ConnectionError").__class__), False),
        (named("ConnectionTimeoutError", aiohttp.ServerTimeoutError), False),
        (shaped(status_code=503), False),
        (ValueError(), False),
        (shaped(may_be_billed=True), True),
        (raised_from(shaped(ConnectionResetError, may_be_billed=False)), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_only_a_call_that_was_sent_may_be_billed(error: Exception, arrived: bool) -> None:
    """A call that broke before its answer may be billed; a call that no service received is not, here and elsewhere."""
    assert may_have_arrived(error) is arrived
    assert may_have_arrived(pickle.loads(pickle.dumps(Raised(error))).error) is arrived
    assert may_have_arrived(pickle.loads(pickle.dumps(as_work_failed(error, "no", "")))) is arrived
