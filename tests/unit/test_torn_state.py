"""What is read of a state file that was cut off, whoever wrote it: true results with their chunks, and no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from each_case import each_case

from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.model.state.state_text import state_text
from checkpoint_store.model.state.torn_state import read_torn

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


@pytest.mark.slow_variants
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("results", [RESULTS, ["a text", 12345, None]], ids=["objects", "short values"])
def test_a_text_that_is_cut_off_anywhere_gives_true_results_only(layout: dict[str, Any], results: list[Any]) -> None:
    """A state that is cut off anywhere gives the whole results before the tear, in every layout."""
    text = text_of(layout, processed_results=results)
    expected = list(zip(PLAN["completed_chunks"], results, strict=True))
    counts = []
    for end in range(len(text)):
        torn = read_torn(text[:end])
        if torn is not None:
            assert (torn.fields["job_id"], torn.completed_chunks) == (PLAN["job_id"], [0, 2, 1])
            assert torn.results == expected[: len(torn.results)]
            counts.append(len(torn.results))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}


@each_case("rest", [b"\0" * 64, b"\xff\xfe", b'{"chunk_index": '], ids=["zeros", "bytes", "half a result"])
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


@each_case("first", [1, 7, None])
def test_results_that_count_otherwise_are_found_by_their_place(first: int | None) -> None:
    """A torn state file's results get their chunks, whether they count from 1, from elsewhere or not at all."""
    results = [{"text": "a"} if first is None else {"chunk_index": first + at} for at in (0, 2, 1)]
    assert results_of(processed_results=results) == list(zip([0, 2, 1], results, strict=True))


def test_what_no_state_can_keep_ends_the_reading() -> None:
    """NaN was written by hand, or by another program: the results before it are read."""
    assert results_of(processed_results=[RESULTS[0], {"chunk_index": 2, "t": float("nan")}]) == [(0, RESULTS[0])]
    assert results_of(processed_results=[RESULTS[0], json.loads("[" * 900 + "]" * 900)])[:1] == [(0, RESULTS[0])]


# -- damage in the middle

DONE = [0, 3, 1, 5, 2]
OWN: list[Any] = [{"chunk_index": index, "cleaned_text": f"text {index}"} for index in DONE]
OTHER: list[Any] = [[1, {"a": 2}], "a text", 12345, None, {"nested": {"list": [1, 2]}}]
CONFIG = {"chunk_size": 2000, "nested": {"list": [1, 2]}}


def state_of(results: list[Any]) -> bytes:
    """A state in the layout of this library."""
    state = ProcessingState(
        job_id="a job",
        status="running",
        file_name="talk.txt",
        model="m",
        total_chunks=7,
        completed_chunks=[*DONE, 6],
        processed_results=results,
        result_indices=DONE,
        config=CONFIG,
        metadata={"owner": "Ana"},
    )
    texts = [json.dumps(result) for result in results]
    return "".join(state_text(state, [state.completed_chunks], [texts], [DONE], [])).encode()


def state_of_the_plan(results: list[Any]) -> bytes:
    return text_of({"indent": 2}, total_chunks=7, completed_chunks=DONE, processed_results=results, config=CONFIG)


@pytest.mark.slow_variants
@pytest.mark.parametrize("damage", [b"\0", b"\xff", b'"', b"\n"], ids=["zero", "no UTF-8", "quote", "newline"])
@pytest.mark.parametrize(
    ("text", "results"),
    [(state_of(OWN), OWN), (state_of(OTHER), OTHER), (state_of_the_plan(OWN), OWN)],
    ids=["own index", "no index", "of the plan"],
)
def test_a_damaged_byte_costs_the_result_or_the_field_in_which_it_is(
    text: bytes, results: list[Any], damage: bytes
) -> None:
    """A damaged byte costs only the result or the field that it is in, wherever it is."""
    pairs = list(zip(DONE, results, strict=True))
    begin, end = text.index(b'"processed_results": [') + 22, text.rindex(b"\n  ],\n")
    for at in range(begin, len(text) - 2, 3):
        torn = read_torn(text[:at] + damage + text[at + 1 :])
        assert torn is not None
        assert all(pair in pairs for pair in torn.results if json.dumps(pair[1]) in map(json.dumps, results))
        if begin < at < end:
            assert len(torn.results) >= len(pairs) - 2  # a separator belongs to the results on both its sides
            assert torn.fields["config"] == CONFIG
        elif at > end + 4:
            assert torn.results == pairs


def test_a_page_of_zeros_costs_the_results_in_it() -> None:
    """The results before the page and those behind it are read, and all fields: a power cut leaves such files."""
    text = state_of(OWN)
    start, stop = text.index(b"text 3"), text.index(b"text 1")
    torn = read_torn(text[:start] + b"\0" * (stop - start) + text[stop:])
    assert torn is not None
    assert torn.results == [(0, OWN[0]), (5, OWN[3]), (2, OWN[4])]
    assert (torn.fields["config"], torn.fields["metadata"]) == (CONFIG, {"owner": "Ana"})
    assert torn.completed_chunks == [*DONE, 6]


def test_results_between_two_damaged_places_are_left_out() -> None:
    """Nothing tells how many results stood before them: a wrong pair would be worse than a chunk that is done again."""
    torn = read_torn(state_of(OTHER).replace(b'"a text"', b'"a text').replace(b"    null", b"    nul"))
    assert torn is not None
    assert torn.results == [(0, OTHER[0]), (2, OTHER[4])]


def test_the_end_of_another_time_gives_no_result_to_another_chunk() -> None:
    """Where the results before the damage name their chunks and those behind it name other ones, these are left out."""
    stale = state_of([*OWN[:3], {"chunk_index": 4}, {"chunk_index": 3}]).replace(b"text 3", b"text\0")
    torn = read_torn(stale)
    assert torn is not None
    assert torn.results == [(0, OWN[0])]


@each_case("field", ["version", "status", "model", "completed_chunks"])
def test_a_damaged_field_before_the_results_costs_that_field(field: str) -> None:
    """The results are paired by the chunks that stand behind them."""
    torn = read_torn(state_of(OTHER).replace(f'  "{field}": '.encode(), f'  "{field}\0: '.encode()))
    assert torn is not None
    assert torn.results == list(zip(DONE, OTHER, strict=True))
    assert field not in torn.fields
    assert torn.completed_chunks[: len(DONE)] == DONE


@pytest.mark.parametrize("field", ["job_id", "total_chunks"])
def test_without_its_job_a_state_gives_nothing(field: str) -> None:
    """Whose results they are, or of how many chunks, nobody can tell."""
    assert read_torn(state_of(OTHER).replace(f'"{field}": '.encode(), f'"{field}\0: '.encode())) is None
