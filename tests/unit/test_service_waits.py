"""When a service wants to be called again, and whether at all: what stands in its headers, its codes or its words."""

from __future__ import annotations

import json
import pickle
import time
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import httpx
import pytest
from each_case import each_case
from multidict import CIMultiDict, CIMultiDictProxy
from urllib3.exceptions import DecodeError, EmptyPoolError
from yarl import URL

from checkpoint_store import ServiceUnavailable
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import as_work_failed, is_fatal
from checkpoint_store.loop.service.service_errors import Trouble, trouble_of
from checkpoint_store.model.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = httpx.Request("POST", "https://api.example/v1")
ARREARS = {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}
TRIAL = {
    "message": "You are using a Trial key, which is limited to 1000 API calls / month. You can continue to use it."
}


def of_httpx(status: int, body: Any = None, **headers: str) -> Exception:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, headers=headers, json=body or {}, request=REQUEST)
    return httpx.HTTPStatusError(f"HTTP {status}", request=REQUEST, response=response)


def elsewhere(error: Exception) -> list[BaseException]:
    """Return an exception, and what arrives of it from another process."""
    return [error, pickle.loads(pickle.dumps(Raised(error))).error, as_work_failed(error, str(error), "")]


@each_case(
    ("error", "seconds"),
    lambda: [
        (RuntimeError("HTTP 429"), None),
        (of_httpx(429, {"error": {"message": "Please try again in 1m30s. Visit the page"}}), 90),
        (of_httpx(429, {"error": {"message": "Please try again in 2m59.56s."}}), 179.56),
        (of_httpx(429, {"error": {"message": "Please try again in 120ms."}}), 0.12),
        (of_httpx(429, {"error": {"code": "429", "message": "Please retry after 20 seconds."}}), 20),
        (of_httpx(429, {"error": {"message": "retry in 5 minutes, or try again in 3s"}}), 300),
        (of_httpx(429, {"error": {"message": "Please try again in 90s"}}, retry_after="2"), 2),
        (of_httpx(429, {"error": {"message": "try again in some minutes, or in 2026"}}), None),
        (of_httpx(400, {"error": {"message": "Please try again in 90s"}}), None),
        (ValueError("the model wrote: try again in 90 seconds"), None),
        (of_httpx(429, {"error": {"details": [{"retryDelay": {"seconds": 4}}]}}), 4),
        (of_httpx(429, {"error": {"details": [{"retryDelay": "7.5s"}]}}), 7.5),
        (of_httpx(429, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s"), 360),
        (
            of_httpx(
                429,
                x_ratelimit_remaining_requests="3",
                x_ratelimit_reset_requests="1h0m0s",
                x_ratelimit_remaining_tokens="0",
                x_ratelimit_reset_tokens="850ms",
            ),
            0.85,
        ),
        (of_httpx(429, x_ratelimit_remaining_tokens="7", x_ratelimit_reset_tokens="6m0s"), None),
        (of_httpx(429, x_ratelimit_remaining="0", x_ratelimit_reset="30"), None),
        (of_httpx(429, x_ratelimit_remaining="0", x_ratelimit_reset="1700000000"), None),
    ],
)
def test_a_wait_is_read_where_it_is_clear(error: Exception, seconds: float | None) -> None:
    """A time with its unit is waited for, here and elsewhere; a number that may mean two things is not."""
    for arrived in elsewhere(error):
        assert retry_after(arrived) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_moment_is_the_time_until_then(unit: int) -> None:
    """Seconds and milliseconds since 1970 are a moment: GitHub gives the one, OpenRouter the other."""
    moment = str(int((time.time() + 3000) * unit))
    seconds = retry_after(of_httpx(429, x_ratelimit_remaining="0", x_ratelimit_reset=moment))
    assert seconds is not None
    assert 2000 < seconds <= 3000


@pytest.mark.parametrize("body", [ARREARS, TRIAL])
def test_a_quota_that_is_told_in_words_ends_the_job(body: dict[str, Any]) -> None:
    """An account without money, and a trial key without calls for this month, are no busy service."""
    for error in (of_httpx(429, body), RuntimeError(f"HTTP 429: {body}")):
        assert [is_fatal(arrived) for arrived in elsewhere(error)] == [True, True, True]
    minute = {"message": "You are using a Trial key, which is limited to 40 API calls / minute."}
    assert not is_fatal(of_httpx(429, minute))
    assert not is_fatal(of_httpx(400, {"message": f"the prompt is unsafe: {ARREARS}"}))


def test_a_short_outage_is_told_without_a_time_of_no_seconds() -> None:
    """A loop that gives a service up at once does not say "for 0 s"."""
    assert "no call has succeeded for less than a second" in str(ServiceUnavailable("job", 1, 0.3, "TimeoutError"))
    assert "no call has succeeded for 12 s" in str(ServiceUnavailable("job", 1, 12.3, "TimeoutError"))


class ClientError(Exception):
    """The exception of botocore, with the code of a service of AWS."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"An error occurred ({code})")
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def of_proxy(status: int) -> Exception:
    request = aiohttp.RequestInfo(URL("http://proxy"), "CONNECT", CIMultiDictProxy(CIMultiDict()), URL("http://proxy"))
    return aiohttp.ClientHttpProxyError(request, (), status=status)


class Bedrock:
    """The client of botocore for Amazon Bedrock, which makes an answer without data of a page and of an empty body."""

    def converse(self) -> dict[str, Any]:
        """Return what came back."""
        return {"ResponseMetadata": {"HTTPStatusCode": 200}}


def in_one_step() -> Any:
    return Bedrock().converse()["output"]["message"]


def in_two_steps() -> Any:
    answer = Bedrock().converse()
    return answer["output"]


def of_a_reply() -> Any:
    answer = {**Bedrock().converse(), "output": {"text": "{}"}}
    reply = json.loads(answer["output"]["text"])
    return reply["output"]


@each_case(
    ("work", "trouble"),
    [(in_one_step, Trouble.ERROR), (in_two_steps, Trouble.ERROR), (of_a_reply, Trouble.NONE)],
)
def test_an_answer_of_bedrock_without_output_is_no_failure_of_the_chunk(
    work: Callable[[], Any], trouble: Trouble
) -> None:
    """A page in place of data makes the loop wait, here and elsewhere; a reply of the model without a key does not."""
    with pytest.raises(KeyError) as caught:
        work()
    assert trouble_of(caught.value) is trouble
    assert trouble_of(pickle.loads(pickle.dumps(Raised(caught.value))).error) is trouble
    assert ("the service answered without output" in describe(caught.value)) is (trouble is Trouble.ERROR)


class InternalServerError(Exception):
    """The exception of litellm."""

    status_code = 500


@each_case(
    ("error", "trouble"),
    lambda: [
        (of_httpx(498, {"error": {"code": "capacity_exceeded"}}), Trouble.BUSY),
        (RuntimeError("no"), Trouble.NONE),
        (ClientError("ModelNotReadyException", 429), Trouble.BUSY),
        (ClientError("ModelErrorException", 424), Trouble.ERROR),
        (ClientError("modelStreamErrorException", 200), Trouble.ERROR),
        (ClientError("ValidationException", 400), Trouble.NONE),
        (
            InternalServerError('AnthropicException - {"type":"error","error":{"type":"overloaded_error"}}'),
            Trouble.BUSY,
        ),
        (InternalServerError('AnthropicException - {"type":"error","error":{"type":"api_error"}}'), Trouble.ERROR),
        (DecodeError("Received response with content-encoding: gzip, but failed to decode it."), Trouble.ERROR),
        (of_proxy(502), Trouble.NO_ANSWER),
        (of_proxy(407), Trouble.NONE),
        (EmptyPoolError(cast("Any", None), "no connection is free"), Trouble.NO_ANSWER),
        (type("DecodeError", (ValueError,), {})("the reply of the model"), Trouble.NONE),
    ],
)
def test_a_service_that_is_full_or_failed_is_told_from_a_bad_chunk(error: Exception, trouble: Trouble) -> None:
    """Groq without capacity, a model of Bedrock that failed, a damaged answer, or no way to the service blame no chunk."""
    assert trouble_of(error) is trouble
    assert trouble_of(as_work_failed(error, str(error), "")) is trouble
