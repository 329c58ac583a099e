"""What is read of a state file that was cut off, whoever wrote it: true results with their chunks, and no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checkpoint_store.model.torn_state import read_torn

RESULTS: list[Any] = [
    {"chunk_index": 0, "cleaned_text": 'a "quoted"\nline, with ] and }'},
    {"chunk_index": 2, "cleaned_text": "ünd", "nested": [[1, 2], {}]},
    {"chunk_index": 1, "cost": 12.75},
]
PLAN: dict[str, Any] = {
    "version": "1.0",
    "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
    "status": "running",
    "file_name": 'talk "1".srt',
    "video_title": "",
    "model": "",
    "provider": "",
    "total_chunks": 5,
    "completed_chunks": [0, 2, 1],
    "processed_results": RESULTS,
    "started_at": "2025-07-01T10:00:00.123456",
    "updated_at": "2025-07-01T10:00:00.123456",
    "error_message": None,
    "config": {},
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "of the plan": {"indent": 2},
    "with tabs": {"indent": "\t"},
    "on one line": {},
    "compact": {"separators": (",", ":")},
    "with letters as they are": {"indent": 2, "ensure_ascii": False},
}


def text_of(layout: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(PLAN | changes, **layout).encode()


def results_of(**changes: Any) -> list[tuple[int, Any]]:
    """The results before a tear behind all of them."""
    torn = read_torn(text_of(LAYOUTS["of the plan"], **changes).partition(b'"started_at"')[0])
    assert torn is not None
    return torn.results


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("results", [RESULTS, ["a text", 12345, None]], ids=["objects", "short values"])
def test_a_text_that_is_cut_off_anywhere_gives_true_results_only(layout: dict[str, Any], results: list[Any]) -> None:
    """In every layout: the whole results before the tear, each with its chunk. A number that was cut off is none."""
    text = text_of(layout, processed_results=results)
    expected = list(zip(PLAN["completed_chunks"], results, strict=True))
    counts = []
    for end in range(len(text)):
        torn = read_torn(text[:end])
        if torn is not None:
            assert (torn.head["job_id"], torn.completed_chunks) == (PLAN["job_id"], [0, 2, 1])
            assert torn.results == expected[: len(torn.results)]
            counts.append(len(torn.results))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "rest", [b"\0" * 64, b"\xff\xfe", b'{"chunk_index": '], ids=["zeros", "bytes", "half a result"]
)
def test_what_a_power_cut_wrote_behind_the_tear_is_no_result(rest: bytes) -> None:
    """The file has its length, and its end is of another time."""
    begin = text_of(LAYOUTS["of the plan"]).partition(b'    {\n      "chunk_index": 1')[0]
    torn = read_torn(begin + rest)
    assert torn is not None
    assert torn.results == [(0, RESULTS[0]), (2, RESULTS[1])]


def test_a_chunk_that_was_recorded_again_moves_no_result_to_another_chunk() -> None:
    """The code of before left both results in the list: where they stop to fit the list of chunks, reading ends."""
    again = [RESULTS[0], {"chunk_index": 0, "again": True}, *RESULTS[1:]]
    assert results_of(processed_results=again) == [(0, RESULTS[0])]


@pytest.mark.parametrize("first", [1, 7, None])
def test_results_that_count_otherwise_are_found_by_their_place(first: int | None) -> None:
    """They count their chunks from 1, or from elsewhere, or not at all."""
    results = [{"text": "a"} if first is None else {"chunk_index": first + at} for at in (0, 2, 1)]
    assert results_of(processed_results=results) == list(zip([0, 2, 1], results, strict=True))


def test_what_no_state_can_keep_ends_the_reading() -> None:
    """NaN was written by hand, or by another program: the results before it are read."""
    assert results_of(processed_results=[RESULTS[0], {"chunk_index": 2, "t": float("nan")}]) == [(0, RESULTS[0])]
    assert results_of(processed_results=[RESULTS[0], json.loads("[" * 900 + "]" * 900)])[:1] == [(0, RESULTS[0])]
