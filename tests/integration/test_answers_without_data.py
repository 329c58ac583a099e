"""An answer with HTTP 200 that lacks what was asked for, no JSON at all, or a redirect: the service's trouble."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import urllib3
from each_case import each_case

from checkpoint_store import CheckpointStore
from checkpoint_store.loop.service.retry_policy import is_transient
from checkpoint_store.loop.service.service_errors import Trouble, may_have_arrived, trouble_of
from checkpoint_store.model.error_text import describe

from .answering_service import AnsweringService
from .clients import client_of_openai, post

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def chat(url: str) -> Any:
    answer = client_of_openai(url).chat.completions.create(model="m", messages=[])
    return answer.choices[0]


def respond(url: str) -> Any:
    return client_of_openai(url).responses.create(model="m", input="a").output_text


def embed(url: str) -> Any:
    return client_of_openai(url).embeddings.create(model="m", input="a").data[0]


@each_case(
    ("ask", "field"), [(chat, "choices"), (respond, "output"), (embed, "data")], ids=["chat", "responses", "embeddings"]
)
def test_an_answer_of_openai_that_holds_nothing_is_the_services_trouble(ask: Callable[[str], Any], field: str) -> None:
    """A proxy in trouble answers with an empty object, an empty list or null: a later call may be answered."""
    for body in (b"{}", b"[]", b"null"):
        with AnsweringService(200, body) as service, pytest.raises((TypeError, AttributeError, ValueError)) as caught:
            ask(service.url)
        assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.ERROR, True)
        assert f"the service answered without {field}" in describe(caught.value)


def answer_of(client: str, **fields: Any) -> Any:
    return type("Answer", (), {"__module__": f"{client}.types", **fields})()


@each_case(("client", "field"), [("anthropic", "content"), ("cohere", "message")])
def test_an_empty_answer_of_another_client_is_told_by_the_type_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, client: str, field: str
) -> None:
    """The field of the answer is None, and the work fails at it."""
    monkeypatch.setitem(sys.modules, client, ModuleType(client))
    answer = answer_of(client, **{field: None})
    works: list[Callable[[], Any]] = [lambda: answer.content[0].text, lambda: answer.message.content[0].text]
    with pytest.raises((TypeError, AttributeError)) as caught:
        works[field == "message"]()
    assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.ERROR, True)
    assert describe(caught.value).endswith(f"(the service answered without {field})")


def test_a_mistake_at_a_field_of_the_same_name_stays_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other data has fields called content, message and data: no later call makes up for a mistake at them."""
    for client in ("anthropic", "cohere", "openai"):
        monkeypatch.setitem(sys.modules, client, ModuleType(client))
    page: Any = SimpleNamespace(content=None, message=None, data=None, output_text=None)
    nothing: Any = None
    words: Any = []
    mistakes: list[Callable[[], Any]] = [
        lambda: page.content[0], lambda: page.message.content, lambda: page.data[0], lambda: len(page.output_text),
        lambda: nothing.content, lambda: words.data, lambda: words.message,
    ]  # fmt: skip
    check_mistakes(mistakes)


def test_a_mistake_at_a_whole_answer_stays_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further call would be paid for, and none would help: ``answer.content.text``, where content is a list."""
    for client in ("anthropic", "cohere", "openai"):
        monkeypatch.setitem(sys.modules, client, ModuleType(client))
    nothing: Any = None
    content = answer_of("anthropic", content=[SimpleNamespace(text="Fine.")])
    message = answer_of("cohere", message=SimpleNamespace(content=None))
    spoken = answer_of("openai", output_text="Fine.", choices=[SimpleNamespace(message="Fine.")])
    drawn = answer_of("openai", data=[SimpleNamespace(url="u")])
    messages = SimpleNamespace(create=lambda: content)
    mistakes: list[Callable[[], Any]] = [
        lambda: content.content.text, lambda: message.message.content[0].text, lambda: spoken.output_text.txt,
        lambda: spoken.choices.message, lambda: drawn.data.url, lambda: nothing + spoken.output_text,
        lambda: SimpleNamespace(messages=messages).messages.create().content.text,
    ]  # fmt: skip
    check_mistakes(mistakes)


def check_mistakes(mistakes: list[Callable[[], Any]]) -> None:
    """Each of the functions makes a mistake of its own, for which no service is to blame."""
    for work in mistakes:
        with pytest.raises((TypeError, AttributeError)) as caught:
            work()
        assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.NONE, False)
        assert "service" not in describe(caught.value)


def by_urllib3(url: str) -> Any:
    return urllib3.PoolManager(retries=False).request("POST", url, body="a").json()


def by_aiohttp(url: str) -> Any:
    async def post() -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, data="a") as response:
            return await response.json()

    return asyncio.run(post())


@each_case(
    ("ask", "status", "body", "content_type"),
    [
        (by_urllib3, 200, b"", "application/json"),
        (by_urllib3, 200, b"\xff\xfe\x00", "application/json"),
        (by_aiohttp, 200, b"\xff\xfe\x00", "application/json"),
        (by_aiohttp, 204, b"", ""),
    ],
    ids=["urllib3, empty", "urllib3, damaged", "aiohttp, damaged", "aiohttp, 204"],
)
def test_a_body_that_a_client_cannot_read_is_the_services_trouble(
    ask: Callable[[str], Any], status: int, body: bytes, content_type: str
) -> None:
    """Whichever client parses the body, and whatever its exception for that is."""
    with AnsweringService(status, body, content_type) as service, pytest.raises(Exception) as caught:
        ask(service.url)
    assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.ERROR, True)
    assert "a body that is no JSON" in describe(caught.value)


def test_a_portal_that_sends_calls_elsewhere_fails_nobody(tmp_path: Path) -> None:
    """The client of httpx follows no redirect by itself: the loop waits for the end of the portal."""

    def ask(text: str) -> Any:
        return post(service.url, text).raise_for_status().json()

    with CheckpointStore(tmp_path / "s.db", state_file=None) as store, AnsweringService(302, b"") as service:
        service.answers_right_after = 8
        job = store.open_job("f", chunks=[f"c{index}" for index in range(6)])
        list(job.map(ask, max_attempts=1, wait=0.001, on_error="record"))
        assert (job.status, job.failed_chunks(), len(service.calls)) == ("completed", [], 14)


@each_case(
    ("status", "trouble"),
    [(301, Trouble.NONE), (303, Trouble.ERROR), (307, Trouble.ERROR), (308, Trouble.NONE)],
)
def test_an_address_that_moved_for_good_is_no_trouble_of_the_service(status: int, trouble: Trouble) -> None:
    """With HTTP 301 or 308 the next call would be sent elsewhere, too: the address is to be corrected."""
    with AnsweringService(status, b"") as service, pytest.raises(httpx.HTTPStatusError) as caught:
        post(service.url).raise_for_status()
    assert trouble_of(caught.value) is trouble


@each_case("kind", [httpx.TooManyRedirects, requests.TooManyRedirects, aiohttp.TooManyRedirects])
def test_redirects_in_a_circle_are_no_answer_and_no_bill(kind: Callable[..., Exception]) -> None:
    """A gateway that sends a call in a circle gives it to no service."""
    error = kind(*((SimpleNamespace(real_url=""), ()) if kind is aiohttp.TooManyRedirects else ("too many",)))
    assert (trouble_of(error), may_have_arrived(error)) == (Trouble.NO_ANSWER, False)
