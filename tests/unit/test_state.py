"""ProcessingState: an immutable snapshot, equal to its JSON form, that refuses what it cannot be."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint_store.errors import StateFormatError
from checkpoint_store.frozen import FrozenDict, FrozenList, freeze, thaw
from checkpoint_store.state import SCHEMA_VERSION, JobStatus, ProcessingState, Progress, now, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = [
    "version",
    "job_id",
    "status",
    "file_name",
    "video_title",
    "model",
    "provider",
    "total_chunks",
    "completed_chunks",
    "processed_results",
    "started_at",
    "updated_at",
    "error_message",
    "config",
    "result_indices",
]
PLAIN: dict[str, Any] = {
    "version": "1.0",
    "job_id": "3f2b8c1e-9d4a-4e6f-8a1b-2c3d4e5f6a7b",
    "status": "paused",
    "file_name": "lecture.srt",
    "video_title": "Rice",
    "model": "small",
    "provider": "local",
    "total_chunks": 4,
    "completed_chunks": [0, 2],
    "processed_results": [{"cleaned_text": "We choose"}, {"cleaned_text": "to go"}],
    "started_at": "2024-01-02T03:04:05.678Z",
    "updated_at": "2024-01-02T03:05:05.678Z",
    "error_message": None,
    "config": {"chunk_size": 2000, "stop": ["<eos>"]},
    "result_indices": [0, 2],
}

few = settings(max_examples=50, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def states(draw: st.DrawFn) -> ProcessingState:
    """Any legal state: chunks complete in any order, with results that name their chunk or do not, or with none."""
    total = draw(st.integers(0, 12))
    done = draw(st.lists(st.sampled_from(range(total)), unique=True)) if total else []
    with_results = draw(st.integers(0, len(done)))
    results = []
    for index in done[:with_results]:
        result = draw(values)
        if isinstance(result, dict) and draw(st.booleans()):
            result["chunk_index"] = index + draw(st.integers(0, 2))
        results.append(result)
    return ProcessingState(
        file_name=draw(texts),
        status=draw(st.sampled_from(JobStatus)),
        video_title=draw(st.none() | texts),
        model=draw(st.none() | texts),
        provider=draw(st.none() | texts),
        error_message=draw(st.none() | texts),
        total_chunks=total,
        completed_chunks=done,
        processed_results=results,
        result_indices=done[:with_results] if draw(st.booleans()) else [],
        config=draw(st.dictionaries(texts, values, max_size=3)),
    )


def state(**changes: Any) -> ProcessingState:
    """A state of four chunks with some fields changed."""
    return ProcessingState.from_dict({**copy.deepcopy(PLAIN), **changes})


def refused(**changes: Any) -> StateFormatError:
    """The error that such a state raises."""
    with pytest.raises(StateFormatError) as caught:
        state(**changes)
    return caught.value


# -- its fields


def test_fields_in_schema_order() -> None:
    """The fields stand in the order of the schema, in the class, in the dict and in the JSON text."""
    expected = FIELDS.copy()
    assert expected == [field.name for field in dataclasses.fields(ProcessingState)]
    assert expected == list(state().to_dict())
    assert expected == list(json.loads(state().to_json()))


def test_defaults_are_those_of_the_plan() -> None:
    """A state of nothing is a pending job from now on, with an id of its own."""
    first, second = ProcessingState(), ProcessingState()
    assert first.job_id != second.job_id
    assert abs(datetime.now(UTC) - parse_time(first.started_at)) < timedelta(minutes=5)
    values = first.to_dict()
    assert {name: values[name] for name in FIELDS if name not in ("job_id", "started_at", "updated_at")} == {
        "version": SCHEMA_VERSION,
        "status": "pending",
        "file_name": "",
        "video_title": "",
        "model": "",
        "provider": "",
        "total_chunks": 0,
        "completed_chunks": [],
        "processed_results": [],
        "error_message": None,
        "config": {},
        "result_indices": [],
    }


def test_fields_may_be_given_by_position() -> None:
    """In the order of the schema."""
    assert ProcessingState(*PLAIN.values()) == state()


@pytest.mark.parametrize("name", FIELDS)
def test_an_absent_field_takes_its_default(name: str) -> None:
    """From a dictionary that lacks it, as in the plan."""
    results = {"completed_chunks": [], "processed_results": [], "result_indices": []}
    read = ProcessingState.from_dict({key: value for key, value in (PLAIN | results).items() if key != name})
    assert read.to_dict().keys() == PLAIN.keys()
    if name not in ("job_id", "started_at", "updated_at"):
        assert getattr(read, name) == getattr(ProcessingState(), name)


@pytest.mark.parametrize("name", ["video_title", "model", "provider"])
def test_what_is_not_given_is_an_empty_text(name: str) -> None:
    """Null in a file of an earlier version, None in a call: the state and its JSON say the empty text."""
    assert getattr(state(**{name: None}), name) == ""
    assert json.loads(state(**{name: None}).to_json())[name] == ""


def test_unknown_field() -> None:
    """A field that a state does not have is named, in reading and in replacing."""
    assert refused(color="red").field == "color"
    with pytest.raises(StateFormatError) as caught:
        state().replace(color="red")
    assert caught.value.field == "color"


@pytest.mark.parametrize("version", ["0.9", "1.3", "99.0", "", 1.0, 1, None, [], {}, True])
def test_unknown_version(version: object) -> None:
    """A state of a version that is not known is refused before anything else in it is looked at."""
    with pytest.raises(StateFormatError, match="pip install --upgrade") as caught:
        ProcessingState.from_dict({"version": version, "field_of_the_future": 1})
    assert caught.value.field == "version"


# -- frozen


def test_frozen_down_to_its_collections() -> None:
    """No field, and no collection however deep, can be changed through the state or through what made it."""
    made_from = copy.deepcopy(PLAIN)
    made_from["config"]["nested"] = {"a": [1, {"b": 2}]}
    snapshot = ProcessingState.from_dict(made_from)
    text = snapshot.to_json()
    made_from["config"]["nested"]["a"][1]["b"] = 3
    made_from["processed_results"][0]["cleaned_text"] = "changed"
    made_from["completed_chunks"].append(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.status = "failed"  # type: ignore[misc, assignment]
    config: Any = snapshot.config
    result: Any = snapshot.processed_results[0]
    changes: list[Callable[[], object]] = [
        lambda: config.update(a=1),
        lambda: config.pop("stop"),
        lambda: config.setdefault("x", 1),
        lambda: config.__setitem__("x", 1),
        lambda: config.__delitem__("stop"),
        lambda: config.__ior__({"x": 1}),
        config.clear,
        config.popitem,
        lambda: config["stop"].append("x"),
        lambda: config["stop"].extend("x"),
        lambda: config["stop"].insert(0, "x"),
        lambda: config["stop"].__setitem__(0, "x"),
        lambda: config["stop"].__delitem__(0),
        lambda: config["stop"].__iadd__(["x"]),
        lambda: config["stop"].__imul__(2),
        config["stop"].clear,
        config["stop"].pop,
        config["stop"].reverse,
        config["stop"].sort,
        lambda: config["stop"].remove("<eos>"),
        lambda: config["nested"]["a"][1].update(b=3),
        lambda: result.update(cleaned_text="x"),
        lambda: snapshot.completed_chunks.append(3),
        lambda: snapshot.processed_results.append({}),
        lambda: snapshot.completed_chunks.__init__([3]),  # type: ignore[misc]
        lambda: config.__init__({}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    assert text == snapshot.to_json()


def test_to_dict_is_a_changeable_copy() -> None:
    """What to_dict returns is plain data that can be changed without touching the state."""
    snapshot = state()
    plain = snapshot.to_dict()
    assert plain == PLAIN
    assert [type(plain["config"]), type(plain["config"]["stop"]), type(plain["status"])] == [dict, list, str]
    plain["config"]["stop"].append("x")
    plain["completed_chunks"].append(3)
    plain["processed_results"][0]["cleaned_text"] = "x"
    assert snapshot.to_dict() == PLAIN


def test_frozen_collections_behave_like_plain_ones() -> None:
    """Frozen collections equal, print, and serialize like plain ones, and freezing undoes by thawing."""
    plain = {"a": [1, {"b": [2]}], "c": {}}
    frozen = freeze(plain)
    assert (plain, repr(plain), json.dumps(plain)) == (frozen, repr(frozen), json.dumps(frozen))
    assert [FrozenDict, FrozenList, FrozenDict] == [type(frozen), type(frozen["a"]), type(frozen["a"][1])]
    thawed = thaw(frozen)
    assert plain == thawed
    assert [dict, list, dict] == [type(thawed), type(thawed["a"]), type(thawed["a"][1])]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_stay_frozen(copied: Callable[[ProcessingState], ProcessingState]) -> None:
    """A copied or pickled state is equal, and as frozen as the first."""
    snapshot = state()
    other = copied(snapshot)
    assert snapshot == other
    with pytest.raises(TypeError):
        other.config["stop"].append("x")


# -- round trips


@few
@given(states())
def test_round_trips(snapshot: ProcessingState) -> None:
    """Any state comes back equal, byte for byte, from its dict, its JSON text and a pickle."""
    text = snapshot.to_json()
    for again in (
        ProcessingState.from_dict(snapshot.to_dict()),
        ProcessingState.from_json(text),
        ProcessingState.from_json(text.encode()),
        pickle.loads(pickle.dumps(snapshot)),
        snapshot.replace(),
    ):
        assert snapshot == again
        assert text == again.to_json()
        assert snapshot.results() == again.results()


@few
@given(states())
def test_counts_agree(snapshot: ProcessingState) -> None:
    """What is left, what is next and what can be resumed follow from the completed chunks alone."""
    left = [index for index in range(snapshot.total_chunks) if index not in snapshot.completed_chunks]
    assert len(left) == snapshot.remaining_chunks
    assert (left[0] if left else snapshot.total_chunks) == snapshot.next_chunk_index
    assert (snapshot.status in ("running", "paused") and bool(left)) == snapshot.is_resumable


def test_json_reads_like_a_report() -> None:
    """The JSON text is indented, in UTF-8 letters, and the status a plain word."""
    text = state(video_title="Mond 月").to_json()
    assert '\n  "status": "paused",\n' in text
    assert '"video_title": "Mond 月"' in text


# -- pairing, of which tests/unit/test_pairing.py knows more


def test_a_state_holds_what_it_was_made_of() -> None:
    """Chunks and results stay in their order; what belongs together is told by results()."""
    snapshot = state(completed_chunks=[3, 0, 1], processed_results=["d", "a"], result_indices=[])
    assert (snapshot.completed_chunks, snapshot.processed_results) == ([3, 0, 1], ["d", "a"])
    assert list(snapshot.results().items()) == [(0, "a"), (3, "d")]


def test_completed_without_results() -> None:
    """Completed chunks without results are legal, and None is a result."""
    assert state(processed_results=[], result_indices=[]).results() == {}
    assert state(processed_results=[None], result_indices=[]).results() == {0: None}


def test_dataclass_results() -> None:
    """A dataclass as a result is kept as its JSON form."""

    @dataclasses.dataclass
    class Cleaned:
        chunk_index: int
        text: str

    snapshot = ProcessingState(
        file_name="a", total_chunks=2, completed_chunks=(1, 0), processed_results=(Cleaned(1, "b"), Cleaned(0, "a"))
    )
    assert snapshot.results() == {0: {"chunk_index": 0, "text": "a"}, 1: {"chunk_index": 1, "text": "b"}}


# -- what comes next


@pytest.mark.parametrize(
    ("completed", "following"),
    [([], 0), ([0], 1), ([0, 1], 2), ([0, 1, 2, 3], 4), ([1, 2, 3], 0), ([0, 3], 1), ([3], 0), ([0, 1, 3], 2)],
)
def test_next_chunk_is_never_past_a_hole(completed: list[int], following: int) -> None:
    """The next chunk is the lowest one that is not complete; max+1 where completion was in order."""
    assert state(completed_chunks=completed, processed_results=[], result_indices=[]).next_chunk_index == following


@pytest.mark.parametrize(
    ("status", "completed", "expected"),
    [
        ("running", [0], True),
        ("paused", [0], True),
        ("failed", [0], False),
        ("pending", [0], False),
        ("completed", [0], False),
        ("running", [0, 1, 2, 3], False),
        ("paused", [0, 1, 2, 3], False),
    ],
)
def test_is_resumable(status: str, completed: list[int], expected: bool) -> None:
    """Resumable is what is running or paused and has chunks left."""
    assert (
        state(status=status, completed_chunks=completed, processed_results=[], result_indices=[]).is_resumable
        is expected
    )


def test_a_job_without_chunks() -> None:
    """A job of no chunks has nothing left and nothing to resume."""
    empty = ProcessingState(file_name="empty.txt", total_chunks=0)
    assert (empty.remaining_chunks, empty.next_chunk_index, empty.is_resumable) == (0, 0, False)


# -- wrong types and impossible values

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
    "result_indices": [None, 2, "ab", {0: 1}, [4], [1], [True], ["0"], [0.0], [None], [0, 2, 0]],
}


@pytest.mark.parametrize(("name", "at"), [(name, at) for name, wrong in WRONG.items() for at in range(len(wrong))])
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
    assert "config ['a']['b'] is a builtins.set" in str(refused(config={"a": {"b": {1}}}))


def test_a_value_that_holds_itself() -> None:
    """A result that holds itself is an error, not a crash."""
    loop: list[Any] = []
    loop.append(loop)
    assert refused(processed_results=[loop]).field == "processed_results"
    assert refused(config={"loop": loop}).field == "config"


def test_any_mapping_is_a_config() -> None:
    """A config may be any mapping."""
    assert ProcessingState(file_name="a", total_chunks=1, config=MappingProxyType({"a": 1})).config == {"a": 1}


@pytest.mark.parametrize("data", [None, [], "text", 3, [("version", "1.0")]])
def test_from_dict_of_something_else(data: Any) -> None:
    """What is no JSON object is no state."""
    with pytest.raises(StateFormatError, match="not a JSON object"):
        ProcessingState.from_dict(data)


@few
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


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 5000], ids=lambda number: number[:9]
)
@pytest.mark.parametrize("place", ['"chunk_size": 2000', '"total_chunks": 4', '"cleaned_text": "to go"'])
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


@pytest.mark.parametrize(
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


# -- times and progress


def test_times_are_utc_and_parse_back() -> None:
    """The present moment is written in UTC to the millisecond, and read back aware."""
    moment = parse_time(now())
    assert (now()[-1], moment.utcoffset()) == ("Z", timedelta(0))
    assert (
        parse_time("2024-01-01T02:00:00+02:00") == parse_time("2024-01-01T00:00:00") == datetime(2024, 1, 1, tzinfo=UTC)
    )
    assert parse_time("2024-01-01T02:00:00+02:00").tzinfo is UTC
    assert datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))) == parse_time("2024-01-01T00:00:00Z")


@pytest.mark.parametrize(("done", "total", "percent"), [(0, 0, 100.0), (0, 4, 0.0), (1, 4, 25.0), (4, 4, 100.0)])
def test_progress(done: int, total: int, percent: float) -> None:
    """Progress says how much is done and left, and a job without chunks is done."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    progress = Progress(done, total, moment, moment, None)
    assert (percent, total - done) == (progress.percent, progress.remaining_chunks)
    with pytest.raises(dataclasses.FrozenInstanceError):
        progress.completed_chunks = 3  # type: ignore[misc]


def test_a_status_is_its_own_text() -> None:
    """A status compares, prints and serializes as its word."""
    assert JobStatus.PAUSED == "paused" == str(JobStatus.PAUSED) == json.loads(json.dumps(JobStatus.PAUSED))
