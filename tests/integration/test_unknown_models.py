"""A service that does not know the model of the calls: the job waits for a corrected model, and fails no chunk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from each_case import each_case

from checkpoint_store import CheckpointStore

from .answering_service import AnsweringService
from .clients import client_of_openai, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNKS = [f"c{index}" for index in range(6)]
SAID = "The model `gpt-9` does not exist or you do not have access to it."
ERROR = {"message": SAID, "type": "invalid_request_error", "param": None, "code": "model_not_found"}
ANSWER = json.dumps({"error": ERROR}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


def by_httpx(url: str) -> Callable[[str], Any]:
    return lambda text: post(url, text).raise_for_status().json()


def by_requests(url: str) -> Callable[[str], Any]:
    def ask(text: str) -> Any:
        response = requests.post(url, data=text, timeout=60)
        response.raise_for_status()
        return response.json()

    return ask


def by_openai(url: str) -> Callable[[str], Any]:
    client = client_of_openai(url)
    return lambda text: client.completions.create(model="gpt-9", prompt=text).id


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_openai])
@pytest.mark.parametrize("status", [404, pytest.param(400, marks=pytest.mark.slow)])
def test_an_unknown_model_pauses_the_job_at_its_first_call(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture, client: Callable[[str], Any], status: int
) -> None:
    """Each chunk would get the same answer. The error and the log name the model, and say what to do."""
    job = store.open_job("f", chunks=CHUNKS)
    with AnsweringService(status, ANSWER) as service:
        with pytest.raises(Exception, match=str(status)) as caught:
            list(job.map(client(service.url), on_error="record"))
        assert (job.status, job.failed_chunks(), len(service.calls)) == ("paused", [], 1)
    told = [str(caught.value), *caught.value.__notes__]
    for text in ("\n".join(told), caplog.text, str(next(iter(job.attempts())).error)):
        assert text.count(SAID) == 1
        assert "Correct the model, then run the job again." in text
    assert "Correct the model, then run the job again." in str(job.error_message)
    assert list(job.map(str.upper)) != []
    assert job.status == "completed"


@each_case(
    ("status", "body"),
    [
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}),
        (404, {"error": "model 'llama9' not found"}),
        (404, {"error": {"message": 'model "llama9" not found, try pulling it first', "code": None}}),
        (
            404,
            {
                "error": {
                    "code": 404,
                    "message": "models/gemini-9 is not found for API version v1",
                    "status": "NOT_FOUND",
                }
            },
        ),
        (400, {"object": "error", "message": "Invalid model: tiny", "type": "invalid_model", "code": "1500"}),
        (400, {"error": {"message": "foo/bar is not a valid model ID", "code": 400}}),
        (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}),
        (404, {"message": "The model `tiny` does not exist.", "type": "NotFoundError", "code": 404}),
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}),
        (404, {"error": {"message": "Model not found, inaccessible, and/or not deployed", "code": "NOT_FOUND"}}),
        (404, {"error": {"message": "Publisher Model `projects/p/models/tiny` was not found", "status": "NOT_FOUND"}}),
        (400, {"error": {"message": "The model `old` has been decommissioned.", "code": "model_decommissioned"}}),
        (400, {"message": "Invocation of model ID a.b with on-demand throughput isn't supported. Retry with …"}),
    ],
)
def test_each_service_has_its_own_words_for_an_unknown_model(
    store: CheckpointStore, status: int, body: dict[str, Any]
) -> None:
    """Whatever the words of the service are, the job is paused, and says what to do."""
    with AnsweringService(status, json.dumps(body).encode()) as service:
        job = store.open_job("f", chunks=CHUNKS, fresh=True)
        with pytest.raises(httpx.HTTPStatusError), job:
            list(job.map(by_httpx(service.url), on_error="record"))
    assert (job.status, job.failed_chunks(), len(service.calls)) == ("paused", [], 1)
    assert str(job.error_message).endswith("Correct the model, then run the job again.")


def test_a_client_that_keeps_the_words_alone_is_understood(store: CheckpointStore) -> None:
    """An error with a status and a text, and no body (ollama's ResponseError), pauses the job at an unknown model."""

    def ask(text: str) -> str:
        error: Any = RuntimeError("model 'llama9' not found (status code: 404)")
        error.status_code = 404
        raise error

    job = store.open_job("f", chunks=CHUNKS)
    with pytest.raises(RuntimeError, match="llama9"):
        list(job.map(ask, on_error="record"))
    assert (job.status, job.failed_chunks(), len(list(job.attempts()))) == ("paused", [], 1)


@each_case(
    "said",
    [
        "Model asset 17 not found",
        "Modelling not found",
        "model railway: page not found",
        "Model car not found",
        "Model file not found",
        "Model T not found in the picture",
    ],
)
def test_something_else_of_a_model_that_is_not_there_is_the_failure_of_its_chunk(
    store: CheckpointStore, said: str
) -> None:
    """Only the name of a model may stand before the words that it is not there."""
    job = store.open_job("f", chunks=CHUNKS, fresh=True)
    with AnsweringService(404, json.dumps({"error": {"message": said}}).encode()) as service:
        list(job.map(by_httpx(service.url), on_error="record"))
        assert (len(job.failed_chunks()), len(service.calls)) == (6, 6)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (400, None), (422, "model_not_found")], ids=["404", "400", "422"]
)
def test_any_other_refusal_is_the_failure_of_its_chunk(store: CheckpointStore, status: int, code: str | None) -> None:
    """A page that is not there says nothing about the other chunks."""
    job = store.open_job("f", chunks=CHUNKS)
    error = {"message": "The page does not exist.", "code": code}
    with AnsweringService(status, json.dumps({"error": error}).encode()) as service:
        list(job.map(by_httpx(service.url), on_error="record"))
        assert (len(job.failed_chunks()), len(service.calls)) == (6, 6)
    assert "Correct the model" not in str(next(iter(job.attempts())).error)


def test_a_proxy_without_a_server_for_the_model_is_waited_for(store: CheckpointStore) -> None:
    """With HTTP 503 the code means that no server has the model now: the calls go on once one has it."""
    job = store.open_job("f", chunks=CHUNKS[:1])
    with AnsweringService(503, ANSWER, answers_right_after=2) as service:
        list(job.map(by_httpx(service.url), wait=0.01))
        assert (job.status, len(service.calls)) == ("completed", 3)
