"""Which chunk each result of a state belongs to: never another's, and never a guess."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store import ProcessingState, StateFormatError


def a_state(completed: list[int], results: list[Any], version: str = "1.2", **more: Any) -> ProcessingState:
    return ProcessingState(
        version=version, total_chunks=10, completed_chunks=completed, processed_results=results, **more
    )


def own(index: int, text: str = "") -> dict[str, Any]:
    """A result that says which chunk it is of."""
    return {"chunk_index": index, "text": text}


@each_case(
    ("completed", "results", "expected"),
    [
        ([1, 0], [own(0), own(1)], {0: own(0), 1: own(1)}),
        ([0, 1], [own(1), own(2)], {0: own(1), 1: own(2)}),
        ([0, 1], [own(7), own(7)], {0: own(7), 1: own(7)}),
        ([3, 0], ["d", "a"], {0: "a", 3: "d"}),
        ([3, 0], ["d"], {3: "d"}),
        ([1, 0], [own(0), "b"], {0: "b", 1: own(0)}),
        ([0, 1], [own(0, "a"), own(1, "b"), own(0, "newer")], {0: own(0, "newer"), 1: own(1, "b")}),
        ([0, 1], [own(1, "a"), own(2, "b"), own(2, "newer")], {0: own(1, "a"), 1: own(2, "newer")}),
        ([0, 1], ["a", "a", "b"], {0: "a", 1: "b"}),
        ([0, 1], ["a", "b", "a", "b", "b"], {0: "a", 1: "b"}),
        ([0, 1], ["a", "a", "a"], {0: "a", 1: "a"}),
        ([], [], {}),
    ],
    ids=lambda value: json.dumps(value)[:30] if isinstance(value, list) else "",
)
@each_case("version", ["1.0", "1.1"])
def test_files_of_before_are_paired(
    version: str, completed: list[int], results: list[Any], expected: dict[int, Any]
) -> None:
    """An older state is paired by ``chunk_index`` if it names exactly the completed chunks, or else by position."""
    assert a_state(completed, results, version).results() == expected


def test_from_1_2_on_position_decides() -> None:
    """Position pairs results with chunks from 1.2 on, also where they name exactly the completed chunks."""
    assert a_state([1, 0], [own(0), own(1)]).results() == {1: own(0), 0: own(1)}


@each_case(
    ("completed", "results", "entry"),
    [
        ([0, 1], ["a", "b", "c"], "[2] belongs to no chunk"),
        ([0, 1], [own(4), own(5), own(6)], "[2] belongs to no chunk"),
        ([], ["a"], "[0] belongs to no chunk"),
        ([0, 1], [1, True, 1.0], "[2] belongs to no chunk"),
        ([0, 1, 2], ["a", "b", "a", "b"], "[2] may be chunk 0's again, or chunk 2's"),
        ([0, 1], [own(0, "a"), own(0, "b"), own(0, "c")], "[1] may be chunk 0's again, or chunk 1's"),
    ],
)
@each_case("version", ["1.0", "1.2"])
def test_what_cannot_be_paired_is_refused(version: str, completed: list[int], results: list[Any], entry: str) -> None:
    """The error says which entry; nothing is dropped."""
    with pytest.raises(StateFormatError) as caught:
        a_state(completed, results, version)
    assert caught.value.field == "processed_results"
    assert entry in caught.value.reason


@each_case(
    ("completed", "numbers", "entry"),
    [
        ([0, 1, 7, 3], [0, 1, 2, 3], "[2] has the chunk_index 2 and stands at the place of chunk 7"),
        ([0, 1, 7, 3], [1, 2, 3, 4], "[2] has the chunk_index 3 and stands at the place of chunk 7"),
        ([0, 1, 2, 3], [0, 1, 8, 3], "[2] has the chunk_index 8 and stands at the place of chunk 2"),
        ([0, 1, 7, 3], [0, 1, 1, 2, 3], "[3] has the chunk_index 2 and stands at the place of chunk 7"),
        ([0, 1, 2, 3, 4], [0, 1, 3, 4], "[2] has the chunk_index 3 and stands at the place of chunk 2"),
        ([9, 0, 1, 2], [0, 1, 2], "[0] has the chunk_index 0 and stands at the place of chunk 9"),
        ([0, 1, 7, 3], [0, None, 2, 3], "[2] has the chunk_index 2 and stands at the place of chunk 7"),
    ],
)
def test_numbers_that_contradict_the_list_of_chunks_are_no_guess(
    completed: list[int], numbers: list[int | None], entry: str
) -> None:
    """A state of before with a damaged number is refused, and read once ``result_indices`` decides."""
    results = [{"text": "a"} if number is None else own(number) for number in numbers]
    with pytest.raises(StateFormatError) as caught:
        a_state(completed, results, "1.0")
    assert caught.value.field == "processed_results"
    assert caught.value.reason.startswith(entry)
    indices = [*completed[: len(results)], *completed[-1:] * (len(results) - len(completed))]
    assert a_state(completed, results, "1.0", result_indices=indices).result_indices == indices


@each_case("numbers", [[5, 3, 9, 8], [0, 1, 0, 1], [4, 5, 6, 7]])
def test_numbers_of_another_kind_pair_nothing(numbers: list[int]) -> None:
    """Results that number pages, or begin again with each part, belong to the chunks at their places."""
    assert a_state([0, 1, 2, 3], list(map(own, numbers)), "1.0").results() == dict(enumerate(map(own, numbers)))


def test_result_indices_of_results_that_are_not_there_are_counted() -> None:
    """A state that names the chunk of a result which is not there is refused, with both numbers."""
    with pytest.raises(StateFormatError, match="names the chunks of 1 result, but the number of results is 0"):
        a_state([0], [], result_indices=[0])


def test_result_indices_win() -> None:
    """``result_indices`` decide in any order, and the later of two results of a chunk stands."""
    assert a_state([0, 1, 2], ["c", "a"], result_indices=[2, 0]).results() == {0: "a", 2: "c"}
    assert a_state([0, 1], ["a", "b", "newer"], result_indices=[0, 1, 0]).results() == {0: "newer", 1: "b"}


def test_results_that_are_appended_belong_to_the_chunks_that_are_appended() -> None:
    """Appended results belong to the appended chunks in order, whatever the results say of themselves."""
    state = a_state([1, 0, 2], [own(2)], result_indices=[1])
    more = state.replace(
        completed_chunks=[*state.completed_chunks, 5, 4], processed_results=[*state.processed_results, own(6), own(5)]
    )
    assert more.results() == {1: own(2), 4: own(5), 5: own(6)}
    assert more.result_indices == [1, 5, 4]
    by_constructor = ProcessingState(
        **dataclasses.asdict(a_state([1], [own(2)], result_indices=[1]))
        | {"completed_chunks": [1, 5], "processed_results": [own(2), own(6)]}
    )
    assert by_constructor.results() == {1: own(2), 5: own(6)}


def test_a_chunk_may_get_its_result_later() -> None:
    """Where one chunk has none, there is no doubt."""
    state = a_state([1, 0], ["b"], result_indices=[1])
    assert state.replace(processed_results=["b", "a"]).results() == {0: "a", 1: "b"}


def test_a_result_that_is_changed_stays_in_its_place() -> None:
    """A changed result of a state stays with its chunk, and a list that is made anew goes by position."""
    state = a_state([1, 0, 2], ["c", "a"], result_indices=[2, 0])
    assert state.replace(processed_results=["C", "a"]).results() == {0: "a", 2: "C"}
    anew = state.replace(completed_chunks=[0, 1], processed_results=["x", "y"])
    assert anew.results() == {0: "x", 1: "y"}
    assert state.replace(completed_chunks=[], processed_results=[]).results() == {}
    with pytest.raises(StateFormatError, match="processed_results"):
        state.replace(completed_chunks=[])


def test_where_nothing_tells_the_pairing_is_no_guess() -> None:
    """A state with one new result for two new chunks can be made; its results cannot be told."""
    state = a_state([0], ["a"], result_indices=[0])
    open_question = state.replace(completed_chunks=[0, 1, 2], processed_results=["a", "x"])
    with pytest.raises(StateFormatError, match=r"\[1\] belongs to one of the chunks 1, 2"):
        open_question.results()
    assert open_question == pickle.loads(pickle.dumps(open_question))


def test_states_are_equal_where_they_say_the_same() -> None:
    """States with equal content are equal, with or without written indices, in any order."""
    values: dict[str, Any] = {"job_id": "a", "started_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z"}
    one = a_state([2, 0, 1], ["c", "a"], **values)
    same = [
        a_state([0, 2, 1], ["a", "c"], result_indices=[0, 2], **values),
        a_state([1, 2, 0], ["c", "a"], result_indices=[2, 0], **values),
    ]
    assert [one == other for other in same] == [True, True]
    assert {hash(one)} == {hash(other) for other in same}
    assert one != a_state([0, 2, 1], ["c", "a"], **values)
    assert one != a_state([2, 0], ["c", "a"], **values)
    assert one != one.to_dict()


@given(st.permutations(range(6)), st.integers(0, 6), st.lists(st.integers(0, 5), max_size=4), st.booleans())
def test_whatever_the_plan_wrote_is_read(order: list[int], done: int, again: list[int], numbered: bool) -> None:
    """Chunks in any order, some recorded again, as the plan's code appended them: the last result of each stands."""
    completed, results, expected = [], [], {}
    log = [*order[:done], *[index for index in again if index in order[:done] and numbered]]
    for number, index in enumerate(log):
        if index not in completed:
            completed.append(index)
        expected[index] = own(index, str(number)) if numbered else f"text {index}"
        results.append(expected[index])
    assert a_state(completed, results, "1.0").results() == expected
