"""The errors of clients that say what failed in a place of their own: each is judged as what it is."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import ssl
from typing import Any, cast
from urllib.error import URLError

import httpx
import pytest
import requests
from aiohttp.http_exceptions import TransferEncodingError
from each_case import each_case
from urllib3.exceptions import MaxRetryError, ResponseError

from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import as_work_failed, is_fatal, is_transient, pause_before_retry
from checkpoint_store.loop.service.service_errors import Trouble, may_have_arrived, trouble_of

REQUEST = httpx.Request("POST", "https://api.example/v1")
QUOTA = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}}
LIMITED = {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}


def of(name: str, base: type[Exception] = Exception, /, **fields: Any) -> Exception:
    """Return an exception of a class of this name, with these fields."""
    error = type(name, (base,), {})("no")
    for field, value in fields.items():
        setattr(error, field, value)
    return error


def of_httpx(status: int, answer: object) -> Exception:
    response = httpx.Response(status, json=answer, request=REQUEST)
    return httpx.HTTPStatusError("no", request=REQUEST, response=response)


def of_requests(status: int, answer: object) -> Exception:
    response = requests.Response()
    response.status_code, response._content = status, json.dumps(answer).encode()
    return requests.HTTPError("no", response=response)


def unread() -> Exception:
    """An answer whose body nobody has read: reading it would wait for the network."""
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(429, stream=httpx.ByteStream(b"{")))


def of_anthropic(status: int, kind: str, message: str = "no") -> Exception:
    return of("APIStatusError", status_code=status, body={"type": "error", "error": {"type": kind, "message": message}})


def of_aiohttp(status: int, message: str, cause: Exception | None = None) -> Exception:
    return of("ClientResponseError", status=status, message=message, args=(message,), __cause__=cause)


def of_retries(status: int) -> Exception:
    """As requests raises it after the retries of its session: without a response."""
    try:
        raise MaxRetryError(cast("Any", None), "/v1", ResponseError(f"too many {status} error responses"))
    except MaxRetryError as inner:
        try:
            raise requests.exceptions.RetryError(inner)
        except requests.exceptions.RetryError as outer:
            return outer


LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
PAUSED_ON = {
    "httpx, quota in the body": of_httpx(429, QUOTA),
    "requests, quota in the body": of_requests(429, QUOTA),
    "a body as text, as mistralai has it": of("SDKError", status_code=429, body=json.dumps(QUOTA)),
    "Moonshot": of_httpx(429, {"error": {"type": "exceeded_current_quota_error", "message": "suspended"}}),
    "Alibaba": of_httpx(400, {"code": "Arrearage", "message": "Access denied"}),
    "Anthropic, the usage limit": of_anthropic(400, "invalid_request_error", LIMIT),
    "Anthropic, of a workspace": of_anthropic(400, "invalid_request_error", LIMIT.replace(" API", " workspace API")),
    "DeepL, the quota": of("QuotaExceededException", http_status_code=456),
    "AWS, the quota": of(
        "ClientError",
        response={"Error": {"Code": "ServiceQuotaExceededException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},
    ),
    "OpenAI, an unknown model": of_httpx(404, {"error": {"type": "invalid_request_error", "code": "model_not_found"}}),
    "google-auth": of("RefreshError", retryable=False),
    "aiohttp, the body as its message": of_aiohttp(429, json.dumps(QUOTA)),
    "the body in the text of an exception around it": of("E", args=(f"no: {QUOTA}",), __cause__=of("E", status=429)),
    "http.client, the body in a text": RuntimeError(f"HTTP 429: {json.dumps(QUOTA)}"),
    "azure-identity": of("CredentialUnavailableError"),
    "azure-core": of("ClientAuthenticationError"),
    "litellm, its own budget": of("BudgetExceededError", current_cost=2, max_budget=1),
    "AWS SSO": of("UnauthorizedSSOTokenError"),
    "anthropic, no key": TypeError('"Could not resolve authentication method. Expected one of api_key, auth_token."'),
    "aiohttp, a proxy that wants a password": of("ClientHttpProxyError", status=407),
    "aiohttp, a proxy that forbids the call": of("ClientHttpProxyError", status=403),
    "httpx, a proxy that wants a password": httpx.ProxyError("407 No"),
    "httpx, a proxy that forbids the call": httpx.ProxyError("403 Forbidden"),
    "urllib, a proxy that wants a password": URLError(OSError("Tunnel connection failed: 407 No")),
    "urllib, a proxy that forbids the call": URLError(OSError("Tunnel connection failed: 403 Forbidden")),
    "google-genai, no key": ValueError("No API key was provided. Please pass a valid API key."),
}


def paused_on() -> list[Exception]:
    """The errors that pause a job, with that of a client whose import takes half a second."""
    import openai

    no_key = openai.OpenAIError("Missing credentials. Please pass an `api_key`, or set it in the environment.")
    return [*PAUSED_ON.values(), no_key]


WAITED_FOR = {
    "httpx, limit in the body": (of_httpx(429, LIMITED), Trouble.BUSY),
    "httpx, unread": (unread(), Trouble.BUSY),
    "google, called too often": (
        of("HttpError", status_code=403, error_details=[{"reason": "rateLimitExceeded"}]),
        Trouble.BUSY,
    ),
    "google-auth, passing": (of("RefreshError", retryable=True), Trouble.NONE),
    "urllib, a proxy that is away": (URLError(OSError("Tunnel connection failed: 502 Bad Gateway")), Trouble.NO_ANSWER),
    "urllib, a proxy without the host": (URLError(OSError("Tunnel connection failed: 404 No")), Trouble.NO_ANSWER),
    "httpx, a proxy without the host": (httpx.ProxyError("404 Not Found"), Trouble.NO_ANSWER),
    "aiohttp, a proxy without the host": (of("ClientHttpProxyError", status=404), Trouble.NO_ANSWER),
    "httpx, a proxy that refuses connections": (httpx.ProxyError("[Errno 111] refused"), Trouble.NO_ANSWER),
    "a stream that is overloaded": (of_anthropic(200, "overloaded_error"), Trouble.BUSY),
    "a stream that fails": (of_anthropic(200, "api_error"), Trouble.ERROR),
    "litellm, no connection": (of("APIConnectionError", status_code=500), Trouble.NO_ANSWER),
    "litellm, a broken connection": (
        of("InternalServerError", status_code=500, response=httpx.Response(500), __cause__=httpx.ReadError("no")),
        Trouble.NO_ANSWER,
    ),
    "litellm, a time-out": (of("Timeout", status_code=408), Trouble.NO_ANSWER),
    "a time-out that the service reports": (
        of("ModelTimeoutException", response={"ResponseMetadata": {"HTTPStatusCode": 408}}),
        Trouble.ERROR,
    ),
    "google, given up on the way": (of("ClientError", code=499, status="CANCELLED"), Trouble.ERROR),
    "aiohttp, an answer that is no HTTP": (
        of_aiohttp(400, "Bad status line", cause=TransferEncodingError("no")),
        Trouble.NO_ANSWER,
    ),
    "requests, its own retries at 503": (of_retries(503), Trouble.BUSY),
    "requests, its own retries at 500": (of_retries(500), Trouble.ERROR),
    "azure-core, not sent": (of("ServiceRequestError"), Trouble.NO_ANSWER),
    "azure-core, no answer": (of("ServiceResponseError"), Trouble.NO_ANSWER),
    "mistralai, no answer": (of("NoResponseError"), Trouble.NO_ANSWER),
}


TOO_LARGE = "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 42000."


def test_a_call_that_is_above_the_limit_by_itself_is_its_chunks_failure() -> None:
    """No wait makes it fit, whatever its status says: the chunk is failed, and no other chunk waits."""
    error = of_httpx(429, {"error": {"message": TOO_LARGE, "type": "tokens", "code": "rate_limit_exceeded"}})
    for link in (error, as_work_failed(error, "no", "")):
        assert (trouble_of(link), is_transient(link), is_fatal(link)) == (Trouble.NONE, False, False)


@each_case("error", paused_on)
def test_what_every_chunk_would_meet_pauses_the_job(error: Exception) -> None:
    """A key that is not valid, and money that is used up; also where the error comes from another process as text."""
    assert (is_fatal(error), is_fatal(as_work_failed(error, "no", ""))) == (True, True)


def test_a_text_that_only_speaks_of_a_quota_pauses_no_job() -> None:
    """A result about a used-up quota that cannot be read is its chunk's failure, and so is a call that is wrong."""
    for error in (ValueError(f"no JSON: it says {QUOTA}"), of("BadRequestError", status_code=400, args=(str(QUOTA),))):
        assert not is_fatal(error)


@each_case("name", WAITED_FOR)
def test_trouble_that_passes_is_waited_for(name: str) -> None:
    """No chunk is failed, and no job is paused, for a service that comes back."""
    error, trouble = WAITED_FOR[name]
    assert (trouble_of(error), is_transient(error), is_fatal(error)) == (trouble, True, False)


@each_case("name", [name for name in WAITED_FOR if name != "google-auth, passing"])
def test_trouble_is_the_same_from_another_process(name: str) -> None:
    """An exception without a pickle arrives as text, and keeps what it said of the service."""
    error, trouble = WAITED_FOR[name]
    arrived = as_work_failed(error, str(error), "")
    assert (trouble_of(arrived) is Trouble.NONE, is_fatal(arrived)) == (trouble is Trouble.NONE, False)


def test_a_call_of_azure_that_was_not_sent_is_not_billed() -> None:
    """A call of Azure's client that was not sent counts as unpaid; a call whose answer broke may have been billed."""
    assert (may_have_arrived(of("ServiceRequestError")), may_have_arrived(of("ServiceResponseError"))) == (False, True)


def test_a_host_that_no_address_leads_to_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a host with two addresses asyncio raises an OSError without a number; for one address one with a number."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (1, 2)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(OSError, match="Multiple exceptions") as refused:
            asyncio.run(asyncio.open_connection("api.example", port))
    for error in (refused.value, OSError(errno.EADDRNOTAVAIL, "no such address")):
        assert (trouble_of(error), may_have_arrived(error)) == (Trouble.NO_ANSWER, False)


def test_a_call_whose_tls_handshake_failed_is_not_billed() -> None:
    """The call was not sent yet: a certificate that is not trusted, and an answer that is no TLS."""
    incoming = ssl.MemoryBIO()
    incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError) as no_tls:
        ssl.create_default_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="api.example").do_handshake()
    untrusted = requests.exceptions.SSLError(
        MaxRetryError(cast("Any", None), "/v1", ssl.SSLCertVerificationError(1, "no"))
    )
    untrusted.__context__ = untrusted.args[0]
    errors = [URLError(no_tls.value), URLError(ssl.SSLCertVerificationError(1, "no")), untrusted]
    assert [may_have_arrived(error) for error in [*errors, ssl.SSLError("a record that was cut off")]] == [
        False
    ] * 3 + [True]
    assert {trouble_of(error) for error in errors} == {Trouble.NO_ANSWER}


def test_a_call_that_its_proxy_did_not_pass_on_is_not_billed() -> None:
    """``http.client`` asks the proxy for a connection to the service first."""
    assert not may_have_arrived(URLError(OSError("Tunnel connection failed: 502 Bad Gateway")))


def test_retry_after_is_read_in_a_raw_response() -> None:
    """Retry-After is read from the raw response of an exception, as mistralai has it."""
    error = of("SDKError", status_code=429, body="", raw_response=httpx.Response(429, headers={"retry-after": "9"}))
    assert retry_after(error) == 9
    assert 9 <= pause_before_retry(None, 1, error) <= 9.5


@each_case("body", ["", "no JSON", "5", "[" * 100_000, "{" + " " * 70_000 + "}", b"\xff"])
def test_a_body_that_is_no_json_says_nothing(body: str | bytes) -> None:
    """The status alone counts."""
    assert trouble_of(of("SDKError", status_code=500, body=body)) is Trouble.ERROR
