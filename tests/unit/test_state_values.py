"""What is refused of a state: wrong types, impossible values, torn and doubled JSON."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import StateFormatError
from checkpoint_store.model.state.state import ProcessingState

from .state_tools import FIELDS, PLAIN, refused, state, values

WRONG: dict[str, list[object]] = {
    "job_id": [10**5000, "", None, 3, ["a"], "a\ud800"],
    "status": ["", "RUNNING", "done", None, 1, [], {}],
    "file_name": [None, 3, b"a", "a\udcff"],
    "video_title": [3, ["a"], False, "\ud800"],
    "model": [3, {"a": 1}, "\ud800"],
    "provider": [3, 1.5, "\ud800"],
    "error_message": [3, ["a"], "\ud800"],
    "total_chunks": [10**5000, -1, "4", None, 4.0, True, [], 2**63, float("nan")],
    "completed_chunks": [
        None,
        2,
        "01",
        {0: 1},
        [4],
        [-1],
        [0, 0],
        [True],
        ["0"],
        [0.0],
        [None],
        [2**70],
        [10**5000],
        {0, 1},
    ],
    "processed_results": [None, 2, "ab", {"0": 1}, [{1}], [object()], [float("nan")], [{"a": float("inf")}], [{1: 2}]],
    "started_at": [None, 5, "", "yesterday", "2024-13-01T00:00:00Z", "12:00", [], "0001-01-01T00:00:00+14:00"],
    "updated_at": [None, 5, "", "2024-02-30T00:00:00Z", {}, b"2024-01-01"],
    "config": [None, 5, "{}", [], [["a", 1]], {"a": {1}}, {"a": float("nan")}, {1: 2}, {"a": "\ud800"}],
    "metadata": [None, 5, "{}", [], [["a", 1]], {"a": {1}}, {"a": float("nan")}, {1: 2}, {"a": "\ud800"}],
    "redo_chunks": [None, 2, "ab", {0: 1}, [4], [1], [True], ["0"], [0.0], [None], [0, 2, 0]],
    "result_indices": [None, 2, "ab", {0: 1}, [4], [1], [True], ["0"], [0.0], [None], [0, 2, 0]],
}


# -- wrong types and impossible values


@each_case(("name", "at"), [(name, at) for name, wrong in WRONG.items() for at in range(len(wrong))])
def test_wrong_values_are_named(name: str, at: int) -> None:
    """A wrong type or impossible value is an error that names its field, made by hand, read or replaced."""
    value = WRONG[name][at]
    errors = [refused(**{name: value})]
    with pytest.raises(StateFormatError) as caught:
        state().replace(**{name: value})
    errors.append(caught.value)
    with pytest.raises(StateFormatError) as caught:
        ProcessingState(**{**PLAIN, name: value})
    errors.append(caught.value)
    assert [name] * 3 == [error.field for error in errors]
    assert str(errors[0]).startswith(name)


def test_the_place_inside_a_result_is_named() -> None:
    """What JSON cannot hold inside a result or the config is named by its path."""
    assert "processed_results [1]['a'][0] is nan" in str(refused(processed_results=["x", {"a": [float("nan")]}]))
    assert "result_indices [1] is 1, which is not in completed_chunks" in str(refused(result_indices=[0, 1]))
    assert "config ['a']['b'] is of the type set" in str(refused(config={"a": {"b": {1}}}))


def test_a_value_that_holds_itself() -> None:
    """A result that holds itself is an error, not a crash."""
    loop: list[Any] = []
    loop.append(loop)
    assert refused(processed_results=[loop]).field == "processed_results"
    assert refused(config={"loop": loop}).field == "config"


def test_any_mapping_is_a_config() -> None:
    """A config may be any mapping."""
    assert ProcessingState(file_name="a", total_chunks=1, config=MappingProxyType({"a": 1})).config == {"a": 1}


@each_case("data", [None, [], "text", 3, [("version", "1.0")]])
def test_from_dict_of_something_else(data: Any) -> None:
    """What is no JSON object is no state."""
    with pytest.raises(StateFormatError, match="not a JSON object"):
        ProcessingState.from_dict(data)


@given(st.sampled_from(FIELDS), values)
def test_any_value_in_any_field(name: str, value: Any) -> None:
    """Any JSON value in any field is a state that comes back equal, or an error that names this field or a related one."""
    try:
        snapshot = state(**{name: value})
    except StateFormatError as error:
        related = {
            "total_chunks": "completed_chunks",
            "completed_chunks": "result_indices",
            "processed_results": "result_indices",
        }
        assert error.field in (name, related.get(name))  # noqa: PT017 - both outcomes are legal
    else:
        assert snapshot == ProcessingState.from_json(snapshot.to_json())


# -- JSON texts


def test_every_torn_json_is_refused() -> None:
    """A state file cut off anywhere is an error, never a state with less in it."""
    whole = state().to_json()
    for length in range(len(whole)):
        with pytest.raises(StateFormatError, match="is not JSON"):
            ProcessingState.from_json(whole[:length])
    for length in range(0, len(whole), 7):
        with pytest.raises(StateFormatError):
            ProcessingState.from_json(whole[:length] + "\0" * (len(whole) - length))


@each_case("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 5000], ids=lambda number: number[:9])
@each_case("place", ['"chunk_size": 2000', '"total_chunks": 4', '"cleaned_text": "to go"'])
def test_numbers_that_json_cannot_hold(number: str, place: str) -> None:
    """NaN, infinities, and numbers too large to come back are refused wherever they stand."""
    text = state().to_json()
    assert place in text
    with pytest.raises(StateFormatError, match=r"^state (holds|is not JSON)"):
        ProcessingState.from_json(text.replace(place, f"{place.split(':', maxsplit=1)[0]}: {number}"))


@pytest.mark.parametrize("doubled", ['"status": "failed", ', '"total_chunks": 9, '])
def test_a_field_twice(doubled: str) -> None:
    """A field that stands twice is refused by name: neither of the two is silently taken."""
    text = "{" + doubled + state().to_json().lstrip("{")
    with pytest.raises(StateFormatError, match="stands twice") as caught:
        ProcessingState.from_json(text)
    assert caught.value.field == doubled.split('"')[1]


def test_a_key_twice_inside() -> None:
    """A key that stands twice inside a result is refused too."""
    text = state().to_json().replace('"cleaned_text": "to go"', '"a": 1, "a": 2')
    with pytest.raises(StateFormatError, match="a stands twice"):
        ProcessingState.from_json(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    """A file that an editor saved with a byte order mark is read all the same."""
    text = "\ufeff" + state().to_json()
    assert ProcessingState.from_json(text) == ProcessingState.from_json(text.encode()) == state()


@each_case(
    "text",
    [
        "",
        "   ",
        "null",
        "[]",
        '"a"',
        "5",
        "{}",
        '{"version": "1.2", "file_name": "a"}',
        '{"job_id": "a"}',
        "{'version': '1.0'}",
        b"\xff\xfe{\x00}\x00",
        b"\x80",
        "[" * 100_000,
        None,
        5,
        bytearray(b"{}"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_what_is_no_state_file(text: Any) -> None:
    """Whatever else is read is an error of this library."""
    with pytest.raises(StateFormatError):
        ProcessingState.from_json(text)


def test_deeply_nested_json() -> None:
    """A config nested hundreds of levels deep is an error that names it."""
    text = state().to_json().replace("2000", '{"a":' * 300 + "1" + "}" * 300)
    with pytest.raises(StateFormatError) as caught:
        ProcessingState.from_json(text)
    assert caught.value.field == "config"


def test_an_escaped_lone_surrogate() -> None:
    """A name that no file could hold is refused when it comes as an escape."""
    with pytest.raises(StateFormatError) as caught:
        ProcessingState.from_json(state().to_json().replace("lecture.srt", "\\ud800"))
    assert caught.value.field == "file_name"
