"""What ``open_job`` takes as chunks, what it refuses, and which secrets it keeps out."""

from __future__ import annotations

from collections import UserList
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import SECRET, files_with
from each_case import each_case

from checkpoint_store import CheckpointStore, CheckpointStoreError, InvalidArgumentError, PlanChanged, SecretInConfig

from .open_job_tools import work_through


@dataclass
class Segment:
    text: str
    start: float = 0.0


# -- what chunks may be


def test_chunks_may_come_from_a_generator(store: CheckpointStore) -> None:
    """``chunks`` may be a generator, which is read once."""
    job = store.open_job("f", chunks=(text for text in ("a", "b")))
    assert work_through(job) == ["a", "b"]
    assert store.open_job("f", chunks=["a", "b"]).job_id == job.job_id


def test_objects_count_by_all_their_fields(store: CheckpointStore) -> None:
    """The processor gets the object itself; to leave a field out takes a fingerprint function, which the error says."""
    segments = [Segment("a", 1.0), Segment("b", 2.0)]
    job = store.open_job("f", chunks=segments)
    assert [chunk.data for chunk in job.pending()] == segments
    job.complete(0, "done")
    assert store.open_job("f", chunks=[Segment("a", 1.0), Segment("b", 2.0)]).job_id == job.job_id
    with pytest.raises(PlanChanged, match=r"all its fields but index and chunk_index.*fingerprint="):
        store.open_job("f", chunks=[Segment("a", 1.0), Segment("b", 9.0)])


@pytest.mark.parametrize("chunks", [["a", "b"], [{"text": "a"}, {"text": "b"}]], ids=["text", "JSON"])
def test_fields_of_objects_are_no_matter_where_chunks_are_no_objects(store: CheckpointStore, chunks: list[Any]) -> None:
    """A refusal explains dataclasses and models only to a caller whose chunks are such objects."""
    store.open_job("f", chunks=chunks).complete(0, "done")
    with pytest.raises(PlanChanged, match="chunks") as caught:
        store.open_job("f", chunks=[chunks[0], chunks[0]])
    assert "dataclass" not in str(caught.value)


def test_other_sequences_and_json_data_are_chunks(store: CheckpointStore) -> None:
    """Bytes, numbers, objects, lists; any sequence of them."""
    chunks = UserList([b"raw", 1, 1.5, None, {"b": 1, "a": [2]}, [1, 2], ""])
    job = store.open_job("f", chunks=chunks)
    assert [chunk.data for chunk in job.pending()] == list(chunks)
    assert store.open_job("f", chunks=[b"raw", 1, 1.5, None, {"a": [2], "b": 1}, [1, 2], ""]).job_id == job.job_id


def test_a_fingerprint_function_identifies_other_chunks(store: CheckpointStore) -> None:
    """``fingerprint=`` identifies chunks that have no text of their own."""
    chunks = [complex(1, 2), complex(3, 4)]
    job = store.open_job("f", chunks=chunks, fingerprint=str)
    job.complete(0, 1)
    assert store.open_job("f", chunks=chunks, fingerprint=str).job_id == job.job_id
    edited = store.open_job("f", chunks=[complex(0), chunks[0]], fingerprint=str, on_change="reuse")
    assert list(edited.items()) == [(1, 1)]


def test_what_is_no_function_identifies_no_chunk(store: CheckpointStore) -> None:
    """A ``fingerprint`` that cannot be called is refused by its name, before there is a job, and without chunks too."""
    for given in ({"chunks": ["a"]}, {"chunks": []}, {"total_chunks": 2}):
        with pytest.raises(InvalidArgumentError, match="fingerprint='text' is no function"):
            store.open_job("f", **given, fingerprint="text")  # type: ignore[arg-type]
    assert store.jobs() == []


def test_only_the_fingerprints_of_completed_chunks_are_stored(store: CheckpointStore) -> None:
    """No chunk's text is in any file."""
    job = store.open_job("f", chunks=["CANARY-ONE", "CANARY-TWO"])
    job.complete(0, "done")
    store.close()
    assert files_with(store.path.parent, "CANARY") == []


# -- what it refuses


@each_case(
    ("arguments", "name"),
    [
        ({}, "chunks"),
        ({"chunks": ["a"], "total_chunks": 1}, "chunks"),
        ({"chunks": "one text"}, "chunks"),
        ({"chunks": b"bytes"}, "chunks"),
        ({"chunks": {1.5: "a"}}, "chunks"),
        ({"chunks": 5}, "chunks"),
        ({"chunks": [object()]}, "chunks"),
        ({"chunks": [float("nan")]}, "chunks"),
        ({"total_chunks": -1}, "total_chunks"),
        ({"total_chunks": True}, "total_chunks"),
        ({"total_chunks": 1.0}, "total_chunks"),
        ({"total_chunks": 2**64}, "total_chunks"),
        ({"total_chunks": 1, "on_change": "ask"}, "on_change"),
        ({"total_chunks": 1, "model": 5}, "model"),
        ({"total_chunks": 1, "provider": "\ud800"}, "provider"),
        ({"total_chunks": 1, "video_title": b"x"}, "video_title"),
        ({"total_chunks": 1, "config": [1]}, "config"),
        ({"total_chunks": 1, "config": {1: 2}}, "config"),
        ({"total_chunks": 1, "config": {"x": float("nan")}}, "config['x']"),
        ({"total_chunks": 1, "config": {"x": {1, 2}}}, "config['x']"),
    ],
)
def test_bad_arguments_are_named_and_change_nothing(
    store: CheckpointStore, arguments: dict[str, Any], name: str
) -> None:
    """Each bad argument of ``open_job`` has its own message, and changes nothing."""
    with pytest.raises(InvalidArgumentError) as caught:
        store.open_job("f", **arguments)
    assert caught.value.name == name
    assert store.jobs() == []


@each_case("name", ["", None, 5, "\udfff"])
def test_a_file_name_is_a_text(store: CheckpointStore, name: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidArgumentError, match="file_name"):
        store.open_job(name, total_chunks=1)


def test_an_error_while_chunks_are_listed_changes_nothing(store: CheckpointStore) -> None:
    """A generator's own error arrives as it is."""

    def broken() -> Any:
        yield "a"
        raise OSError("the disk with the input is gone")

    with pytest.raises(OSError, match="input is gone"):
        store.open_job("f", chunks=broken())
    assert store.jobs() == []


# -- secrets


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": SECRET},
        {"deep": {"list": [{"x-api-key": SECRET}]}},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"note": f"the key is {SECRET}"},
        {"url": f"https://someone:{SECRET}@example.org/v1"},
        {SECRET: 1},
        SECRET,
        [SECRET],
    ],
)
def test_a_secret_in_a_config_is_in_no_file_and_no_message(store: CheckpointStore, config: Any) -> None:
    """Refused before anything is written, without repeating it."""
    store.open_job("before", total_chunks=1).complete(0, 1)
    with pytest.raises((SecretInConfig, InvalidArgumentError)) as caught:
        store.open_job("f", total_chunks=1, config=config)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    store.close()
    assert files_with(store.path.parent, SECRET) == []


def test_a_secret_in_an_error_message_is_in_no_file(store: CheckpointStore) -> None:
    """The message of an exception is kept without it."""
    job = store.open_job("f", total_chunks=1)
    with pytest.raises(RuntimeError), job:
        raise RuntimeError(f"401 Unauthorized: Authorization: Bearer {SECRET} was refused")
    assert "401 Unauthorized" in (job.error_message or "")
    store.close()
    assert files_with(store.path.parent, SECRET) == []


def test_a_failing_statement_shows_no_values(store: CheckpointStore) -> None:
    """What a driver's error carries into a traceback names no value of a row."""
    job = store.open_job("f", total_chunks=1, video_title="CANARY-TITLE")
    store.delete_job(job.job_id)
    with pytest.raises(CheckpointStoreError) as caught:
        job.complete(0, "CANARY-RESULT")
    error: BaseException | None = caught.value
    while error is not None:
        assert "CANARY" not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__
