"""The text of a state file: what is written, and what can be told of it without reading it whole."""

from __future__ import annotations

import json

import pytest
from each_case import each_case

from checkpoint_store import ProcessingState
from checkpoint_store.model.state.state_text import (
    HEAD_LINES,
    knows_chunks,
    looks_like_state,
    passes_completed,
    read_head,
    state_text,
    updated_at,
)
from checkpoint_store.model.state.torn_state import read_torn

RESULTS = [{"text": "ünd", "n": 1}, "a text", 12345, None, [1, "[]"]]
STATE = ProcessingState(
    job_id="a job",
    status="running",
    file_name='talk "1".srt',
    total_chunks=7,
    completed_chunks=[0, 2, 3, 5, 6, 1],
    processed_results=RESULTS,
    result_indices=[0, 2, 3, 5, 6],
    config={"nested": {"list": [1, 2]}, "updated_at": "no time"},
    metadata={"owner": "Ana", "updated_at": "no time"},
    redo_chunks=[5, 2],
)


def text_of(state: ProcessingState) -> bytes:
    """The text of a state, written in several pages."""
    completed, indices = state.completed_chunks, state.result_indices
    texts = [json.dumps(result, ensure_ascii=False) for result in state.processed_results]
    pieces = state_text(
        state,
        (completed[:2], completed[2:]) if completed else (),
        (texts[:1], texts[1:]) if texts else (),
        (indices[:3], indices[3:]) if indices else (),
        state.redo_chunks,
    )
    return "".join(pieces).encode()


@pytest.mark.parametrize("state", [STATE, ProcessingState(job_id="empty")], ids=["full", "empty"])
def test_the_text_is_the_state(state: ProcessingState) -> None:
    """What is written reads back as the state, with the fields in schema order and a line for each result."""
    text = text_of(state)
    assert ProcessingState.from_json(text) == state
    assert list(json.loads(text)) == list(state.to_dict())
    lines = text.decode().splitlines()
    assert [line for line in lines if line.startswith("    ") and not line.startswith('    "nested')][
        : len(state.processed_results)
    ] == [
        "    " + json.dumps(result, ensure_ascii=False) + ("," if at + 1 < len(state.processed_results) else "")
        for at, result in enumerate(state.processed_results)
    ]


def test_the_first_lines_tell_job_and_progress() -> None:
    """Job id and number of completed chunks are known without the results, and the last time without the beginning."""
    lines = text_of(STATE).splitlines(keepends=True)
    head = read_head(lines[:HEAD_LINES])
    assert head is not None
    assert (head.job_id, head.completed_count, head.indices) == ("a job", 6, b"0, 2, 3, 5, 6, 1")
    assert head.completed_chunks() == {0, 1, 2, 3, 5, 6}
    assert updated_at(b"".join(lines[HEAD_LINES + 3 :])) == STATE.updated_at
    empty = text_of(ProcessingState(job_id="empty")).splitlines(keepends=True)
    assert read_head(empty[:HEAD_LINES]) == ("empty", "", "pending", b"")


@each_case("text", [STATE.to_json().encode(), b"", b"{}\n", b"[1]", b"{\n" * 20], ids=range(5))
def test_another_layout_is_not_looked_at(text: bytes) -> None:
    """A state file from before stores existed has an index on each line: it is read whole, or not at all."""
    assert read_head(text.splitlines(keepends=True)[:HEAD_LINES]) is None
    assert not knows_chunks(text)


def test_a_text_that_is_cut_off_anywhere_gives_true_results_only() -> None:
    """Of a torn text the results before the tear are read, each with its chunk, and never a wrong one."""
    text = text_of(STATE)
    expected = list(zip(STATE.completed_chunks, RESULTS, strict=False))
    counts = []
    for end in range(len(text)):
        torn = read_torn(text[:end])
        if torn is not None:
            assert torn.completed_chunks == STATE.completed_chunks
            assert torn.results == expected[: len(torn.results)]
            assert torn.fields["job_id"] == "a job"
            counts.append(len(torn.results))
    assert counts == sorted(counts)
    assert set(counts) == set(range(len(expected) + 1))


def test_a_text_that_is_cut_off_is_still_known_as_a_state() -> None:
    """What a power cut left of a state file is no stranger's file, however short it is."""
    text = text_of(STATE)
    assert [end for end in range(1, len(text)) if not looks_like_state(text[:end])] == []
    assert not looks_like_state(b'{"version": 3}')
    assert not looks_like_state(b'{"name": "package", "version": "1.0.0", "private": true}')
    assert not looks_like_state(b"#!/bin/sh")


@each_case(
    "change",
    [
        (b'"total_chunks": 7', b'"total_chunks": 6'),
        (b'"total_chunks": 7', b'"total_chunks": "7"'),
        (b"[0, 2,", b"[0, 2.5,"),
        (b'"completed_chunks": [0', b'"completed_chunks": [-1'),
        (b'  "job_id": "a job",\n', b""),
    ],
)
def test_a_torn_text_that_contradicts_itself_gives_nothing(change: tuple[bytes, bytes]) -> None:
    """Where the beginning is damaged too, nobody knows which chunk a result belongs to."""
    text = text_of(STATE)
    assert change[0] in text
    assert read_torn(text.replace(*change)[:-100]) is None


@each_case("size", [1, 2, 3, 7, 1000])
def test_a_long_line_of_completed_chunks_is_passed_in_parts(size: int) -> None:
    """A line is known by its beginning and its end, wherever a part of it ends."""

    def passes(line: bytes) -> bool:
        begin = 30  # a part is at least as long as the beginning of the line
        return passes_completed([line[:begin], *(line[at : at + size] for at in range(begin, len(line), size))])

    assert passes(b'  "completed_chunks": [0, 1, 2, 3, 4, 5     ],\n')
    assert not passes(b'  "completed_chunks": [0, 1, 2, 3, 4, 5     \n')
    assert not passes(b'  "processed_chunks": [0, 1, 2, 3, 4, 5     ],\n')
    assert not passes(b'  "completed_chunks": [0, 1, 2, 3, 4, 5     ],')
