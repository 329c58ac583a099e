"""ProcessingState: an immutable snapshot, equal to its JSON form, that refuses what it cannot be."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import StateFormatError
from checkpoint_store.model.clock import now, parse_time
from checkpoint_store.model.frozen import FrozenDict, FrozenList, freeze, thaw
from checkpoint_store.model.records import JobStatus, Progress
from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.model.store_file import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
from .state_tools import FIELDS, PLAIN, refused, state, texts, values


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
        metadata=draw(st.dictionaries(texts, values, max_size=3)),
        redo_chunks=draw(st.lists(st.sampled_from(done), unique=True)) if done else [],
    )


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
        "metadata": {},
        "redo_chunks": [],
    }


def test_fields_may_be_given_by_position() -> None:
    """Fields may be given by position, in the order of the schema."""
    assert ProcessingState(*PLAIN.values()) == state()


@each_case("name", FIELDS)
def test_an_absent_field_takes_its_default(name: str) -> None:
    """A field that a dictionary lacks takes its default, as in the plan."""
    results = {"completed_chunks": [], "processed_results": [], "result_indices": []}
    read = ProcessingState.from_dict({key: value for key, value in (PLAIN | results).items() if key != name})
    assert read.to_dict().keys() == PLAIN.keys()
    if name not in ("job_id", "started_at", "updated_at"):
        assert getattr(read, name) == getattr(ProcessingState(), name)


@each_case("name", ["video_title", "model", "provider"])
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


@each_case("version", ["0.9", "1.6", "99.0", "", 1.0, 1, None, [], {}, True])
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


@each_case("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_stay_frozen(copied: Callable[[ProcessingState], ProcessingState]) -> None:
    """A copied or pickled state is equal, and as frozen as the first."""
    snapshot = state()
    other = copied(snapshot)
    assert snapshot == other
    with pytest.raises(TypeError):
        other.config["stop"].append("x")


# -- round trips


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


@given(states())
def test_counts_agree(snapshot: ProcessingState) -> None:
    """What is left, what is next and what can be resumed follow from the chunks that are complete and to be redone."""
    done = set(snapshot.completed_chunks) - set(snapshot.redo_chunks)
    left = [index for index in range(snapshot.total_chunks) if index not in done]
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


@each_case(
    ("completed", "following"),
    [([], 0), ([0], 1), ([0, 1], 2), ([0, 1, 2, 3], 4), ([1, 2, 3], 0), ([0, 3], 1), ([3], 0), ([0, 1, 3], 2)],
)
def test_next_chunk_is_never_past_a_hole(completed: list[int], following: int) -> None:
    """The next chunk is the lowest one that is not complete; max+1 where completion was in order."""
    assert state(completed_chunks=completed, processed_results=[], result_indices=[]).next_chunk_index == following


@each_case(
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


@each_case(("done", "total", "percent"), [(0, 0, 100.0), (0, 4, 0.0), (1, 4, 25.0), (4, 4, 100.0)])
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
