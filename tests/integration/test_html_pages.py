"""An HTML page in place of data (a login, a captive portal, a gateway): the loop waits, and no chunk is failed for it."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from types import ModuleType
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import requests
from each_case import each_case

from checkpoint_store import CheckpointStore, ServiceUnavailable
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_policy import is_fatal, is_transient
from checkpoint_store.loop.service.service_errors import Trouble, trouble_of
from checkpoint_store.model.error_text import describe

from .answering_service import AnsweringService
from .clients import client_of_openai, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNKS = [f"c{index}" for index in range(6)]
PAGE = b"\r\n <!DOCTYPE html>\n<html><head><title>Sign in &amp; surf</title></head><body><p>Welcome!</body></html>"
TOLD = "the service answered with an HTML page: Sign in & surf"
RIGHT = json.dumps({"id": "1", "choices": [{"text": "yes"}], "data": [{"embedding": [0.5]}]}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


class ByUrllib:
    """A picklable work function."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, text: str) -> Any:
        with urllib.request.urlopen(self.url, data=text.encode(), timeout=60) as response:
            return json.load(response)


def by_httpx(url: str) -> Callable[[str], Any]:
    return lambda text: post(url, text).json()


def by_requests(url: str) -> Callable[[str], Any]:
    return lambda text: requests.post(url, data=text, timeout=60).json()


def by_requests_wrapped(url: str) -> Callable[[str], Any]:
    def ask(text: str) -> Any:
        try:
            return requests.post(url, data=text, timeout=60).json()
        except ValueError as error:
            raise KeyError("answer") from error

    return ask


def by_requests_in_a_group(url: str) -> Callable[[str], Any]:
    def ask(text: str) -> Any:
        try:
            return requests.post(url, data=text, timeout=60).json()
        except ValueError as error:
            raise ExceptionGroup("two", [TypeError("no"), error]) from None

    return ask


def by_aiohttp(url: str) -> Callable[[str], Any]:
    async def post(text: str) -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, data=text) as response:
            return await response.json()

    return lambda text: asyncio.run(post(text))


def by_openai(url: str) -> Callable[[str], Any]:
    return lambda text: client_of_openai(url).completions.create(model="m", prompt=text).choices[0].text


def by_openai_embedded(url: str) -> Callable[[str], Any]:
    return lambda text: client_of_openai(url).embeddings.create(model="m", input=text).data[0].embedding


CLIENTS: list[Callable[[str], Callable[[str], Any]]] = [
    ByUrllib, by_httpx, by_requests, by_requests_wrapped, by_requests_in_a_group, by_aiohttp, by_openai,
    by_openai_embedded,
]  # fmt: skip


def mostly_slow(clients: list[Callable[[str], Any]], quick: set[Callable[[str], Any]]) -> list[Any]:
    """Return the clients as parameters: what differs is the error, which quick tests look at for each client."""
    return [client if client in quick else pytest.param(client, marks=pytest.mark.slow) for client in clients]


@pytest.mark.parametrize("client", mostly_slow(CLIENTS, quick={ByUrllib, by_httpx, by_aiohttp, by_openai}))
def test_a_page_in_place_of_data_fails_nobody(store: CheckpointStore, client: Callable[[str], Any]) -> None:
    """More pages than a chunk has tries, and then data: each chunk is done, and each failed try names the page."""
    job = store.open_job("f", chunks=CHUNKS)
    with AnsweringService(200, PAGE, "text/html; charset=utf-8", answers_right_after=8, right_body=RIGHT) as service:
        list(job.map(client(service.url), max_attempts=1, wait=0.001, on_error="record"))
        assert (job.status, job.failed_chunks(), len(service.calls)) == ("completed", [], 14)
    told = TOLD if client is not by_aiohttp else TOLD.partition(":")[0]
    errors = [str(attempt.error) for attempt in job.attempts() if attempt.error]
    assert [told in error for error in errors] == [True] * 8


@pytest.mark.parametrize("client", CLIENTS)
def test_a_page_is_told_by_a_worker_process(client: Callable[[str], Any]) -> None:
    """The error keeps the page's title, and what it says of the service, on its way from another process."""
    with AnsweringService(200, PAGE, "text/html") as service, pytest.raises(Exception) as caught:
        client(service.url)("c0")
    message = describe(caught.value)
    arrived = pickle.loads(pickle.dumps(Raised(caught.value))).as_failure()
    assert describe(arrived) == message
    assert (trouble_of(arrived), is_transient(arrived), is_fatal(arrived)) == (Trouble.ERROR, True, False)


@pytest.mark.slow
def test_a_portal_that_stays_pauses_a_job_of_worker_processes(store: CheckpointStore) -> None:
    """The error names the page, so that somebody signs in and runs the job again."""
    job = store.open_job("f", chunks=CHUNKS)
    with (
        AnsweringService(200, PAGE, "text/html") as service,
        ProcessPoolExecutor(2, get_context("forkserver")) as pool,
        pytest.raises(ServiceUnavailable, match=TOLD),
    ):
        list(job.map(ByUrllib(service.url), executor=pool, outage_seconds=0.3, wait=0.01, on_error="record"))
    assert (job.status, job.failed_chunks()) == ("paused", [])


def test_a_chunk_that_alone_meets_a_page_is_failed(store: CheckpointStore) -> None:
    """The other chunks are completed in the same stretch, so the page is this chunk's own."""
    job = store.open_job("f", chunks=CHUNKS)

    def work(text: str) -> Any:
        return json.loads(PAGE) if text == "c2" else text

    list(job.map(work, max_attempts=2, wait=0.001, on_error="record"))
    assert [record.chunk_index for record in job.failed_chunks()] == [2]


PARSED_BY_CLIENTS = [by_httpx, by_requests, by_requests_wrapped, by_requests_in_a_group, by_openai]


@pytest.mark.parametrize("body", [b"", b'{"choices": [{"te'], ids=["empty", "broken"])
@pytest.mark.parametrize("client", mostly_slow(PARSED_BY_CLIENTS, quick={by_httpx, by_requests}))
def test_a_body_that_is_no_json_fails_nobody(store: CheckpointStore, client: Callable[[str], Any], body: bytes) -> None:
    """A gateway in trouble answers with nothing, or with half: the loop waits, as where the connection is cut."""
    job = store.open_job("f", chunks=CHUNKS)
    with AnsweringService(200, body, answers_right_after=8, right_body=RIGHT) as service:
        list(job.map(client(service.url), max_attempts=1, wait=0.001, on_error="record"))
        assert (job.status, job.failed_chunks(), len(service.calls)) == ("completed", [], 14)
    errors = [str(attempt.error) for attempt in job.attempts() if attempt.error]
    assert ["a body that is no JSON" in error for error in errors] == [True] * 8


@pytest.mark.parametrize("client", PARSED_BY_CLIENTS)
def test_a_body_that_is_no_json_is_told_by_a_worker_process(client: Callable[[str], Any]) -> None:
    """The error says the same of the service on its way from another process."""
    with AnsweringService(200, b"") as service, pytest.raises(Exception) as caught:
        client(service.url)("c0")
    arrived = pickle.loads(pickle.dumps(Raised(caught.value))).as_failure()
    assert describe(arrived) == describe(caught.value)
    assert (trouble_of(arrived), is_transient(arrived), is_fatal(arrived)) == (Trouble.ERROR, True, False)


@pytest.mark.parametrize("text", ["{", "html", "<htmlish>", "", "<p>no</p>"])
def test_another_text_that_is_no_json_is_the_chunks_own_failure(text: str) -> None:
    """A model's answer that does not parse makes no other chunk wait."""
    with pytest.raises(ValueError, match="line 1") as caught:
        json.loads(text)
    assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.NONE, True)
    assert "HTML" not in describe(caught.value)


def in_a_variable(url: str) -> Callable[[str], Any]:
    def ask(text: str) -> Any:
        answer = client_of_openai(url).completions.create(model="m", prompt=text)
        return [choice.text for choice in answer.choices]

    return ask


def refusal(code: Any) -> bytes:
    return json.dumps({"error": {"message": "no call now", "code": code}}).encode()


@pytest.mark.parametrize("client", [by_openai, in_a_variable])
@pytest.mark.parametrize(
    "body",
    [b"{}", refusal(429), pytest.param(refusal(None), marks=pytest.mark.slow)],
    ids=["empty", "429", "no code"],
)
def test_an_answer_without_choices_fails_nobody(
    store: CheckpointStore, client: Callable[[str], Any], body: bytes
) -> None:
    """OpenRouter refuses calls with HTTP 200 and an answer without choices. More of these than tries, and then data."""
    job = store.open_job("f", chunks=CHUNKS)
    with AnsweringService(200, body, answers_right_after=8, right_body=RIGHT) as service:
        list(job.map(client(service.url), max_attempts=1, wait=0.001, on_error="record"))
        assert (job.status, job.failed_chunks(), len(service.calls)) == ("completed", [], 14)
    is_told = body != b"{}" and client is in_a_variable
    told = "the service says: no call now" if is_told else "the service answered without choices"
    assert {told in str(attempt.error) for attempt in job.attempts() if attempt.error} == {True}


@pytest.mark.parametrize(("code", "paused"), [(401, True), (402, True), (400, False)])
def test_a_refusal_in_a_variable_is_judged_by_its_code(store: CheckpointStore, code: int, paused: bool) -> None:
    """A bad key and an empty account pause the job at once; a refusal of one chunk is this chunk's own."""
    job = store.open_job("f", chunks=CHUNKS)
    with AnsweringService(200, refusal(code)) as service, suppress(TypeError):
        list(job.map(in_a_variable(service.url), on_error="record"))
    assert (job.status, len(service.calls)) == (("paused", 1) if paused else ("failed", 6))


def test_an_answer_without_choices_is_told_by_a_worker_process() -> None:
    """The error says the same of the service on its way from another process."""
    for body, trouble in ((refusal(429), Trouble.BUSY), (b"{}", Trouble.ERROR)):
        with AnsweringService(200, body) as service, pytest.raises(TypeError) as caught:
            in_a_variable(service.url)("c0")
        arrived = pickle.loads(pickle.dumps(Raised(caught.value))).as_failure()
        assert (describe(arrived), trouble_of(arrived)) == (describe(caught.value), trouble)


def test_another_use_of_nothing_stays_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the choices of an answer are the service's: the work may have choices of its own, also where it asks."""
    monkeypatch.setitem(sys.modules, "openai", ModuleType("openai"))
    nothing: Any = ModuleType("quiz")
    nothing.parts = nothing.choices = None
    nothing.completions = nothing.part = nothing
    text: Any = "a reply"
    mistakes: list[Callable[[], Any]] = [
        lambda: nothing.parts[0], lambda: None + nothing, lambda: [nothing.choices, nothing.parts[0]],
        lambda: nothing.choices[0], lambda: [nothing.completions, nothing.part.choices[0]],
        lambda: {*nothing.choices}, lambda: len(nothing.choices), lambda: text.choices[0],
        lambda: str(nothing).choices[0],  # type: ignore[attr-defined]
    ]  # fmt: skip
    for work in mistakes:
        with pytest.raises((TypeError, AttributeError)) as caught:
            work()
        assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.NONE, False)
        assert "service" not in describe(caught.value)


@each_case(
    ("body", "told"),
    [(PAGE.decode(), TOLD), ("upstream error", "a body that is no JSON"), ("", "a body that is no JSON")],
)
def test_a_client_that_keeps_the_body_of_an_answer_is_understood(body: str, told: str) -> None:
    """An error with HTTP 200 and a body that its client could not read (Mistral, Cohere) is a transient one."""
    error: Any = type("SDKError", (Exception,), {"__module__": "mistralai.client.errors"})("unexpected response")
    error.status_code, error.body = 200, body
    assert (trouble_of(error), is_transient(error), told in describe(error)) == (Trouble.ERROR, True, True)
    error.body = "{}"
    assert trouble_of(error) is Trouble.NONE
    own: Any = RuntimeError("a reply that cannot be used")
    own.status_code, own.body = 200, body
    assert trouble_of(own) is Trouble.NONE


def test_a_mistake_in_work_on_html_stays_a_mistake() -> None:
    """Work that cleans HTML and asks a text for what it lacks would fail in the same way the next time."""
    page: Any = PAGE.decode()
    for name in ("select", "data", "content", "find_all"):
        with pytest.raises(AttributeError) as caught:
            getattr(page, name)
        assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.NONE, False)


def test_a_page_that_the_client_of_anthropic_returned_is_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives a page as a text, which has no content, to a program that imports it: the loop waits."""
    monkeypatch.setitem(sys.modules, "anthropic", ModuleType("anthropic"))
    page: Any = PAGE.decode()
    with pytest.raises(AttributeError) as caught:
        print(page.content[0].text)
    assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.ERROR, True)
    assert TOLD in describe(caught.value)


def test_a_failure_while_the_page_is_read_stands_for_itself() -> None:
    """Work that falls back to HTML, and fails at that by a mistake of its own, meets that mistake each time."""
    page: Any = PAGE.decode()
    with pytest.raises(AttributeError) as caught:
        try:
            json.loads(page)
        except ValueError:
            page.select("p")
    assert (trouble_of(caught.value), is_transient(caught.value)) == (Trouble.NONE, False)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<html><TITLE lang=en>\n 502 Bad\n Gateway</TITLE>", ": 502 Bad Gateway)"),
        (
            "\ufeff<HTML><script>let a = '<p>';</script><style>p {}</style><!-- no --><p>Please <b>wait</b>",
            ": Please wait)",
        ),
        ("<!doctype HTML>", "HTML page)"),
        (f"<html>{'long ' * 50}", f": {'long ' * 16}…)"),
        ("<html>" + "<title" * 100_000, "HTML page)"),
        ("<html><p>Wait</p><script>let a = 1;" + "<script>" * 100_000, ": Wait)"),
    ],
    ids=["title", "words", "nothing", "long", "hostile", "cut"],
)
def test_the_page_is_named_by_its_title_or_its_first_words(page: str, title: str) -> None:
    """A person knows a page by what it shows."""
    assert describe(json.JSONDecodeError("no", page, 0)).endswith(title)


def test_a_status_that_tells_more_comes_before_the_page() -> None:
    """A page with HTTP 404 is a refusal of this one call, and a page with HTTP 503 an outage."""
    for status, trouble in ((404, Trouble.NONE), (503, Trouble.BUSY)):
        with AnsweringService(status, PAGE, "text/html") as service, pytest.raises(aiohttp.ContentTypeError) as caught:
            by_aiohttp(service.url)("c0")
        assert trouble_of(caught.value) is trouble
