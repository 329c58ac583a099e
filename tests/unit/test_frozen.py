"""What a processor of the original plan does with the collections of a state, and what it is told where it may not."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest
from each_case import each_case

from checkpoint_store import JobStatus, ProcessingState
from checkpoint_store.model.frozen import FrozenDict, FrozenList, freeze

STATE = ProcessingState(
    file_name="lecture.srt",
    total_chunks=3,
    completed_chunks=[0, 1],
    processed_results=[{"text": "a", "words": ["a"]}, {"text": "b", "span": (1, 2)}],
    config={"chunk_size": 2000, "stop": ["<eos>"]},
)


def test_collections_are_lists_and_dicts() -> None:
    """The collections of a state equal the lists and dicts that they show, and are instances of them."""
    results: Any = STATE.processed_results
    assert STATE.completed_chunks == [0, 1]
    assert results == [{"text": "a", "words": ["a"]}, {"text": "b", "span": [1, 2]}]
    assert isinstance(STATE.completed_chunks, list)
    assert isinstance(results[0], dict)
    assert isinstance(STATE.config, dict)
    parts: list[Any] = [
        STATE.completed_chunks[:1],
        STATE.completed_chunks.copy(),
        [2, *results],
        sorted(results, key=str),
    ]
    assert [type(part) for part in parts] == [list] * 4
    assert (1 in STATE.completed_chunks, max(STATE.completed_chunks), len(results)) == (True, 1, 2)


def test_asdict_is_plain_and_changeable() -> None:
    """``dataclasses.asdict`` of a state gives plain, changeable collections and the JSON of the state."""
    made = dataclasses.asdict(STATE)
    kinds: set[type] = set()

    def look(value: Any) -> None:
        kinds.add(type(value))
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    look(made)
    assert kinds <= {dict, list, str, int, type(None), JobStatus}
    made["completed_chunks"].append(2)
    made["processed_results"][0]["words"].append("b")
    made["config"]["stop"].clear()
    assert STATE.completed_chunks == [0, 1]
    assert STATE.processed_results[0]["words"] == ["a"]
    assert json.loads(json.dumps(dataclasses.asdict(STATE))) == STATE.to_dict()
    assert json.dumps(dataclasses.asdict(STATE), indent=2) == json.dumps(STATE.to_dict(), indent=2)
    assert dataclasses.astuple(STATE)[8] == [0, 1]


def test_a_changed_copy_is_what_is_saved() -> None:
    """Assigning to a field is an error whose text is the way to do it."""
    state: Any = STATE
    with pytest.raises(AttributeError) as caught:
        state.status = "paused"
    assert isinstance(caught.value, dataclasses.FrozenInstanceError)
    assert 'state = state.replace(status="paused")' in str(caught.value)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"state = state.replace\(total_chunks=4\)"):
        state.total_chunks = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"state = state.replace\(config=...\)"):
        state.config = {"api_key": "sk-not-to-be-repeated"}


@each_case(
    ("change", "remedy"),
    [
        (
            lambda state: state.completed_chunks.append(2),
            "state.replace(completed_chunks=[*state.completed_chunks, 2])",
        ),
        (lambda state: state.processed_results.extend([]), "state.replace(completed_chunks="),
        (lambda state: state.config.update(a=1), "state.replace(config={**state.config"),
        (lambda state: state.processed_results[0].pop("text"), "state.replace(config="),
        (lambda state: state.processed_results.sort(key=len), "change a copy, list(...)"),
        (lambda state: state.processed_results[0].update(a=1), "change a copy, dict(...)"),
    ],
)
def test_a_collection_says_how_to_change_it(change: Any, remedy: str) -> None:
    """The error of a changed collection of a state says how to change the state."""
    with pytest.raises(TypeError) as caught:
        change(STATE)
    assert remedy in str(caught.value)


def test_frozen_collections_are_hashed_by_what_they_show() -> None:
    """Equal ones alike, copied and pickled too, so that states can be keys."""
    frozen = freeze({"a": [1, {"b": [2]}], "c": {}})
    for other in (freeze({"c": {}, "a": [1, {"b": [2]}]}), copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert (other, hash(other), type(other)) == (frozen, hash(frozen), FrozenDict)
    assert hash(STATE.completed_chunks) == hash((0, 1))
    assert {STATE: 1}[pickle.loads(pickle.dumps(STATE))] == 1


@each_case("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_of_a_frozen_list_is_frozen(copied: Any) -> None:
    """The type itself, called, makes a plain one."""
    frozen = freeze([1, [2]])
    assert (type(copied(frozen)), type(copied(frozen)[1])) == (FrozenList, FrozenList)
    assert type(type(frozen)(frozen)) is list
    assert type(FrozenDict({"a": 1})) is dict


def test_what_stands_for_a_leaf_is_that_leaf() -> None:
    """A member of an enum is its text, in the state as in its JSON."""
    frozen = freeze({JobStatus.PAUSED: [JobStatus.FAILED, True, 1.5]})
    assert [type(key) for key in frozen] == [str]
    assert [type(item) for item in frozen["paused"]] == [str, bool, float]
