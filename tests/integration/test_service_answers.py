"""What a service says with its refusal stands in the error that people read, whichever client the work uses."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from checkpoint_store import CheckpointStore
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.model.error_text import describe

from .answering_service import AnsweringService
from .clients import client_of_openai, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REASON = "Unsupported parameter: 'max_tokens'"
BODIES = [
    (json.dumps({"error": {"message": REASON, "code": "unsupported"}}), REASON),
    (json.dumps({"error": REASON}), REASON),
    (json.dumps({"detail": [{"loc": ["body"], "msg": "field required"}]}), "field required"),
    ("  upstream\nconnect error ", "upstream connect error"),
    ("<html><head><title>Blocked by the gateway</title></head></html>", "Blocked by the gateway"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


def by_httpx(url: str) -> Any:
    return post(url).raise_for_status().json()


def by_requests(url: str) -> Any:
    response = requests.post(url, timeout=60)
    response.raise_for_status()
    return response.json()


def by_openai(url: str) -> Any:
    return client_of_openai(url).completions.create(model="small", prompt="c").id


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_openai])
@pytest.mark.parametrize(("body", "words"), BODIES, ids=["message", "error", "detail", "text", "page"])
def test_an_error_has_the_words_of_the_service(
    store: CheckpointStore, client: Callable[[str], Any], body: str, words: str
) -> None:
    """The status alone does not say what to mend: the job, its chunk and the exception have the reason, once each."""
    with AnsweringService(400, body.encode()) as service:
        job = store.open_job("f", chunks=[service.url])
        with pytest.raises(Exception, match="400") as caught:
            list(job.map(client))
    attempt = next(iter(job.attempts()))
    notes = getattr(caught.value, "__notes__", [])
    for text in (str(attempt.error), str(job.error_message), "\n".join([str(caught.value), *notes])):
        assert text.count(words) == 1


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_openai])
def test_an_error_of_a_worker_process_has_the_words_of_the_service(client: Callable[[str], Any]) -> None:
    """The work may be done in a process pool: the same text arrives from there."""
    with AnsweringService(400, BODIES[0][0].encode()) as service, pytest.raises(Exception, match="400") as caught:
        client(service.url)
    arrived = pickle.loads(pickle.dumps(Raised(caught.value))).as_failure()
    assert REASON in describe(arrived)
    assert describe(arrived) == describe(caught.value)


def test_the_words_of_a_service_are_cut_and_hold_no_secret(store: CheckpointStore) -> None:
    """A service may repeat the key, or send a page of text: the key is taken out, and the beginning is kept."""
    key = "sk-abcd1234efgh5678ijkl9012mnop3456qrst7890uvwx12"
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}. " + "Grüße " * 1000}})
    with AnsweringService(400, body.encode()) as service:
        job = store.open_job("f", chunks=[service.url])
        with pytest.raises(httpx.HTTPStatusError) as caught:
            list(job.map(by_httpx))
    arrived = pickle.loads(pickle.dumps(Raised(caught.value))).as_failure()
    for text in (str(job.error_message), str(arrived), *caught.value.__notes__):
        assert key not in text
        assert len(text) < 1000 or "Traceback" in text  # a program that imports Dask can pickle errors of httpx
