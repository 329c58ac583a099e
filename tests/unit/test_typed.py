"""Stored JSON as the caller's own types: the type asked for, or an error. Never a dict or None instead."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, Optional, Protocol, TypedDict, TypeVar, Union

import pydantic
import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.model.codec.readers import as_type

if typing.TYPE_CHECKING:
    from somewhere import Missing  # type: ignore[import-not-found]

T = TypeVar("T")
N = TypeVar("N", int, float)


class Kind(StrEnum):
    TALK = "talk"
    QUESTION = "question"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Opaque(Enum):
    A = "a"
    ONE = 1
    PAIR = (1, 2)


@dataclass(frozen=True)
class Segment:
    text: str
    start_seconds: float = 0.0


@dataclass
class ProcessedChunk:
    cleaned_text: str
    segments: list[Segment] = field(default_factory=list)
    best: Optional[Segment] = None  # people write it so
    by_speaker: dict[str, list[Segment]] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    kind: Kind = Kind.TALK
    level: Literal["low", "high"] | None = None
    tags: tuple[str, ...] = ()
    length: int = field(init=False, default=0)


@dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: int = field(init=False, default=7)


@dataclass
class Picky:
    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise KeyError("a must not be negative")


@dataclass
class Unreadable:
    a: Missing


@dataclass
class WithInit:
    a: int
    seed: InitVar[int]


@dataclass
class Box(Generic[T]):
    inner: T


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


class Model(pydantic.BaseModel):
    cleaned_text: str
    cost: float = 0.0
    segments: list[Segment] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")
    a: int


class Exploding(pydantic.BaseModel):
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def explode(cls, value: int) -> int:
        raise KeyError(value)


class Words(TypedDict):
    a: int


class MoreWords(Words):
    b: NotRequired[str]


class Computed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: int

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


class Speaks(Protocol):
    def speak(self) -> str: ...


UserId = NewType("UserId", int)

WHOLE = {
    "cleaned_text": "We choose",
    "segments": [{"text": "We", "start_seconds": 1}, {"text": "choose"}],
    "best": {"text": "We", "start_seconds": 1.5},
    "by_speaker": {"JFK": [{"text": "We"}]},
    "span": [3, 4],
    "kind": "question",
    "level": "high",
    "tags": ["moon", "Rice"],
    "length": 9,
}


def same(expected: Any, found: Any) -> None:
    """Equal, and of the same type."""
    assert expected == found
    assert type(expected) is type(found)


def misfit(value: Any, wanted: Any) -> InvalidResultError:
    """The error that such a conversion raises."""
    with pytest.raises(InvalidResultError) as caught:
        as_type(value, wanted)
    return caught.value


def test_a_dataclass_with_everything_inside() -> None:
    """A dataclass comes back with its nested dataclasses, enums, tuples and dicts as their own types."""
    expected = ProcessedChunk(
        "We choose",
        [Segment("We", 1.0), Segment("choose")],
        Segment("We", 1.5),
        {"JFK": [Segment("We")]},
        (3, 4),
        Kind.QUESTION,
        "high",
        ("moon", "Rice"),
    )
    expected.length = 9
    found = as_type(WHOLE, ProcessedChunk)
    same(expected, found)
    assert [type(found.segments[0].start_seconds), type(found.span), type(found.kind)] == [float, tuple, Kind]


def test_defaults_and_fields_outside_of_init() -> None:
    """Absent fields take their defaults; a field outside of __init__ is set even on a frozen class."""
    same(ProcessedChunk("a"), as_type({"cleaned_text": "a"}, ProcessedChunk))
    found = as_type({"a": 1, "b": 8}, Frozen)
    assert (found.a, found.b) == (1, 8)


def test_a_dataclass_that_names_itself() -> None:
    """A recursive dataclass comes back whole."""
    same(
        Tree("a", [Tree("b"), Tree("c", [Tree("d")])]),
        as_type({"name": "a", "children": [{"name": "b"}, {"name": "c", "children": [{"name": "d"}]}]}, Tree),
    )


FITS = [
    (1, int, 1),
    (1.5, float, 1.5),
    (2, float, 2.0),
    (2**53, float, 2.0**53),
    (2**70, float, 2.0**70),
    ("a", str, "a"),
    (True, bool, True),
    (None, type(None), None),
    (None, None, None),
    (None, Optional[int], None),
    (3, Optional[int], 3),
    (1, float | int, 1),
    (1, int | float, 1),
    (True, int | bool, True),
    ("1", int | str, "1"),
    (1, float | str, 1.0),
    ([1, 2], list[int], [1, 2]),
    ([], list[int], []),
    ([1], list, [1]),
    ([1], typing.List, [1]),
    ([1], typing.List[int], [1]),
    ([1], Sequence[int], [1]),
    ([1, "a"], tuple[int, str], (1, "a")),
    ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
    ([], tuple[()], ()),
    ([1, "a"], tuple, (1, "a")),
    ({"a": 1}, dict[str, int], {"a": 1}),
    ({"a": 1}, dict, {"a": 1}),
    ({"a": 1}, Mapping[str, float], {"a": 1.0}),
    ({"talk": 1}, dict[Kind, int], {Kind.TALK: 1}),
    ({"a": [1]}, Any, {"a": [1]}),
    ("a", object, "a"),
    ("low", Literal["low", 1], "low"),
    (1, Literal["low", 1], 1),
    (None, Literal["low", None], None),
    ("talk", Kind, Kind.TALK),
    (2, Level, Level.HIGH),
    ("a", Opaque, Opaque.A),
    (5, Annotated[int, "positive"], 5),
    ({"text": "a"}, Segment | dict, Segment("a")),
    ({"text": "a"}, dict | Segment, {"text": "a"}),
    ({"text": "a"}, str | Segment | None, Segment("a")),
    ([{"text": "a"}, None], list[Segment | None], [Segment("a"), None]),
    ({"cleaned_text": "a", "cost": 1}, Model, Model(cleaned_text="a", cost=1.0)),
    ([{"a": 1}], list[Strict], [Strict(a=1)]),
    ({"a": 1}, Words, {"a": 1}),
    ({"a": 1, "b": "c"}, MoreWords, {"a": 1, "b": "c"}),
    ({"a": 1}, MoreWords, {"a": 1}),
    (1, UserId, 1),
    ([1], list[UserId], [1]),
    ({"a": 1}, T, {"a": 1}),
    (1, N, 1),
    ({"inner": 1}, Box[int], Box(1)),
    ({"inner": [1]}, Box[list[int]], Box([1])),
    ({"inner": {"a": 1}}, Box, Box({"a": 1})),
    ({"a": 1, "twice": 2}, Computed, Computed(a=1)),
]


@each_case("at", range(len(FITS)))
def test_what_fits(at: int) -> None:
    """A value that fits comes back as exactly the type asked for."""
    value, wanted, expected = FITS[at]
    same(expected, as_type(value, wanted))


MISFITS = [
    # another JSON type
    ("1", int, "result"),
    (1.0, int, "result"),
    (True, int, "result"),
    (True, float, "result"),
    (1, bool, "result"),
    (1, str, "result"),
    (None, str, "result"),
    (None, int, "result"),
    ("", type(None), "result"),
    (0, None, "result"),
    ("1.5", float, "result"),
    (2**53 + 1, float, "result"),  # would come back as another number
    (10**400, float, "result"),
    ("a", bytes, "result"),
    ("2024-01-01", datetime, "result"),
    # collections
    ({"a": 1}, list[int], "result"),
    ("ab", list[str], "result"),
    ("ab", Sequence[str], "result"),
    ("ab", tuple[str, ...], "result"),
    ([1, "a", 2], list[int], "result[1]"),
    ([1], tuple[int, str], "result"),
    ([1, 2], tuple[()], "result"),
    ([1, 2], tuple[int, str], "result[1]"),
    ([1], typing.Dict, "result"),
    ([], dict, "result"),
    ([], dict[str, int], "result"),
    ({"a": [1, None]}, dict[str, list[int]], "result['a'][1]"),
    ({"1": 1}, dict[int, int], "result key '1'"),
    ({"other": 1}, dict[Kind, int], "result key 'other'"),
    ([1], set[int], "result"),
    ([1], Iterable[int], "result"),
    # choices
    ("medium", Literal["low", "high"], "result"),
    (True, Literal[1], "result"),
    (1.0, Literal[1], "result"),
    ("other", Kind, "result"),
    (3, Level, "result"),
    (True, Level, "result"),
    (1.0, Level, "result"),
    (None, Kind, "result"),
    ([1, 2], Opaque, "result"),
    ({}, Kind, "result"),
    ("x", int | None, "result"),
    ({"a": 1}, Union[int, str, None], "result"),
    # dataclasses
    (None, ProcessedChunk, "result"),
    ([], ProcessedChunk, "result"),
    ("a", ProcessedChunk, "result"),
    ({}, ProcessedChunk, "result"),
    ({"cleaned_text": None}, ProcessedChunk, "result.cleaned_text"),
    ({"cleaned_text": "a", "color": "red"}, ProcessedChunk, "result"),
    ({"cleaned_text": "a", "segments": [{"text": "b"}, {"text": 1}]}, ProcessedChunk, "result.segments[1].text"),
    ({"cleaned_text": "a", "best": {}}, ProcessedChunk, "result.best"),
    ({"cleaned_text": "a", "by_speaker": {"x": [{}]}}, ProcessedChunk, "result.by_speaker['x'][0]"),
    ({"cleaned_text": "a", "span": [1]}, ProcessedChunk, "result.span"),
    ({"cleaned_text": "a", "kind": "other"}, ProcessedChunk, "result.kind"),
    ({"a": -1}, Picky, "result"),
    ({"a": 1}, Unreadable, "result"),
    ({"a": 1}, WithInit, "result"),
    ({"inner": "a"}, Box[int], "result.inner"),
    ({"inner": [1, "a"]}, Box[list[int]], "result.inner[1]"),
    ({"name": "a", "children": [{"name": "b", "children": [{}]}]}, Tree, "result.children[0].children[0]"),
    # models
    (None, Model, "result"),
    ({}, Model, "result"),
    ({"cleaned_text": "a", "segments": [{"text": 1}]}, Model, "result"),
    ({"a": "1"}, Strict, "result"),
    ({"a": 1, "b": 2}, Strict, "result"),
    ({"a": 1}, Exploding, "result"),
    ([{"a": 1}, {"a": None}], list[Strict], "result[1]"),
    # types that JSON has no answer to
    ({"a": "b"}, Words, "result['a']"),
    ({}, Words, "result"),
    ({"a": 1, "b": 2}, Words, "result"),
    ([1], Words, "result"),
    ("a", UserId, "result"),
    ("a", N, "result"),
    ({"a": 1}, Speaks, "result"),
    (1, "int", "result"),
    (1, len, "result"),
]


@each_case("at", range(len(MISFITS)))
def test_what_does_not_fit(at: int) -> None:
    """A value that does not fit is an error that says where and what was wanted, and never comes back as it was."""
    value, wanted, path = MISFITS[at]
    error = misfit(value, wanted)
    assert path == error.path
    assert error.reason.startswith("is not of the type ")


def test_the_reason_helps() -> None:
    """The message names the field that is missing, too many, or wrong, and the way out of unreadable annotations."""
    assert "the field 'cleaned_text' is missing" in misfit({}, ProcessedChunk).reason
    assert "the class does not: color" in misfit({"cleaned_text": "a", "color": 1}, ProcessedChunk).reason
    assert "KeyError: 'a must not be negative'" in misfit({"a": -1}, Picky).reason
    assert "outside of TYPE_CHECKING" in misfit({"a": 1}, Unreadable).reason
    assert "use a dataclass or a pydantic model" in misfit([1], set[int]).reason
    assert "cleaned_text" in misfit({}, Model).reason


def test_the_value_is_not_changed() -> None:
    """Converting reads its value only."""
    before = repr(WHOLE)
    as_type(WHOLE, ProcessedChunk)
    assert before == repr(WHOLE)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "start_seconds", "a", "b"]), inner)
        ),
        max_leaves=5,
    ),
    st.sampled_from(
        [Segment, Frozen, Model, Strict, Kind, int, float, str, bool, list[int], dict[str, Segment], tuple[int, ...]]
    ),
)
def test_the_type_or_an_error(value: Any, wanted: Any) -> None:
    """Whatever was stored and whatever is asked for: an instance of that type, or InvalidResultError, nothing else."""
    try:
        found = as_type(value, wanted)
    except InvalidResultError:
        return
    assert type(found) is (typing.get_origin(wanted) or wanted)
