"""Results to JSON and back: equal, or refused with the path to what would not be."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple

import pydantic
import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_rules, json_text
from checkpoint_store.model.codec.readers import as_type
from checkpoint_store.model.frozen import freeze

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


class Plain(Enum):
    A = "a"


class Word(StrEnum):
    A = "a"


class Span(NamedTuple):
    start: int
    end: int


class Number(IntEnum):
    ONE = 1


class Unequal(str):
    """A text that equals nothing, not even itself."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


@dataclass
class Segment:
    text: str
    start_seconds: float = 0.0


@dataclass
class Chunk:
    cleaned_text: str
    segments: list[Segment] = field(default_factory=list)
    span: tuple[int, ...] = ()
    extra: Any = None


class Model(pydantic.BaseModel):
    cleaned_text: str
    cost: float = 0.0
    at: datetime | None = None
    parts: tuple[int, ...] = ()
    inner: Model | None = None


class Aliased(pydantic.BaseModel):
    cleaned_text: str = pydantic.Field(alias="cleanedText")


def kind_of(value: Any) -> Any:
    """The value with the type of each part, so that 1, 1.0 and true, 0.0 and -0.0 differ."""
    if isinstance(value, dict):
        return {key: kind_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [kind_of(item) for item in value]
    return type(value), value, math.copysign(1, value) if isinstance(value, float) else 0


def refused(value: object) -> InvalidResultError:
    """The error that such a result raises."""
    with pytest.raises(InvalidResultError) as caught:
        json_text.encode(value)
    return caught.value


def nested(depth: int, kind: type) -> Any:
    """Lists or objects, one in the other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


# -- what comes back


@given(json_values)
def test_any_json_value_comes_back_equal(value: Any) -> None:
    """Any JSON value comes back equal, with the same types, and its text is UTF-8 that any JSON parser reads."""
    text = json_text.encode(value)
    assert kind_of(value) == kind_of(json_text.decode(text))
    assert kind_of(value) == kind_of(json.loads(text.encode("utf-8")))


@each_case(
    "value",
    [
        "a\0b",
        "\u2028\u2029\x7f\ufeff",
        "🚀",
        2**63,
        -(2**64),
        10**4299,
        5e-324,
        1.7976931348623157e308,
        -0.0,
        "",
        [],
        {},
        None,
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_edges_come_back(value: Any) -> None:
    """The edges of what JSON holds come back: NUL, line separators, the largest and the smallest numbers."""
    assert kind_of(value) == kind_of(json_text.decode(json_text.encode(value)))
    assert kind_of({"a": [value]}) == kind_of(json_text.decode(json_text.encode({"a": [value]})))


def test_nul_is_escaped() -> None:
    """A NUL stands in the text as an escape, so that the sqlite3 shell shows what is after it."""
    assert json_text.encode({"a\0": "b\0c"}) == '{"a\\u0000": "b\\u0000c"}'


def test_key_order_is_kept() -> None:
    """Keys come back in the order in which they were given."""
    assert list(json_text.decode(json_text.encode({"b": 1, "a": 2, "c": 3}))) == ["b", "a", "c"]


@pytest.mark.parametrize("kind", [list, dict])
def test_depth(kind: type) -> None:
    """200 levels are kept and 201 refused, before any parser chokes on them."""
    deep = nested(json_rules.DEPTH_MAX, kind)
    assert deep == json_text.decode(json_text.encode(deep))
    error = refused(nested(json_rules.DEPTH_MAX + 1, kind))
    assert "200 levels" in error.reason
    assert "result" + ("[0]" if kind is list else "['a']") * 200 == error.path


def test_digits() -> None:
    """An integer of 4,300 digits is kept, a longer one refused, positive or negative."""
    largest = 10**json_rules.INTEGER_DIGITS_MAX - 1
    assert [largest, -largest] == json_text.decode(json_text.encode([largest, -largest]))
    assert refused({"n": largest + 1}).path == "result['n']"
    assert refused({"n": -largest - 1}).path == "result['n']"


@each_case(
    ("value", "plain"),
    [
        (Word.A, "a"),
        (Number.ONE, 1),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (freeze({"a": [1]}), {"a": [1]}),
        ({Word.A: Number.ONE}, {"a": 1}),
    ],
    ids=repr,
)
def test_subclasses_that_equal_their_json(value: Any, plain: Any) -> None:
    """Subclasses of JSON types are kept as what they equal."""
    assert value == plain
    assert kind_of(plain) == kind_of(json_text.decode(json_text.encode(value)))


# -- what does not

SILENT = [  # JSON would take these, and give something else back
    (float("nan"), "result"),
    ({"a": [1, float("inf")]}, "result['a'][1]"),
    ([{"b": -float("inf")}], "result[0]['b']"),
    ({"a": {1: "x", "1": "y"}}, "result['a']"),
    ({True: 1}, "result"),
    ({None: 1}, "result"),
    ({1.5: 1}, "result"),
    ({"a": Span(1, 2)}, "result['a']"),
    ([Span(1, 2)], "result[0]"),
    ({"a": {Unequal("k"): 1, "k": 2}}, "result['a']"),
]
LATE = [  # these fail only where they are written or read
    ("\ud800", "result"),
    ({"a": ["ok", "x\udfffy"]}, "result['a'][1]"),
    ({"a": {"b": "\ud800"}}, "result['a']['b']"),
    ({"\udc80": 1}, "result key '\\udc80'"),
    ({"a": [10**5000]}, "result['a'][0]"),
    ({10**5000: 1}, "result"),
    (Chunk("a", extra={10**5000: {1}}), "result['extra']"),
]
OTHER = [
    ({1}, "result"),
    ([frozenset()], "result[0]"),
    ({"a": b"x"}, "result['a']"),
    ({"a": bytearray(b"x")}, "result['a']"),
    ({"at": datetime(2024, 1, 1, tzinfo=UTC)}, "result['at']"),
    ({"cost": Decimal("0.1")}, "result['cost']"),
    (1j, "result"),
    (object(), "result"),
    ({"a": [Plain.A]}, "result['a'][0]"),
    (iter(["a"]), "result"),
    (Segment, "result"),
    ({"a": Segment("x")}, "result['a']"),
    (Chunk("a", extra={1}), "result['extra']"),
    (Chunk("a", extra=[float("nan")]), "result['extra'][0]"),
    (Chunk("a", extra={1: 2}), "result['extra']"),
    (Chunk("a", span=(float("nan"),)), "result['span'][0]"),  # type: ignore[arg-type]
    (Model(cleaned_text="a", cost=float("nan")), "result['cost']"),
]
REFUSED = SILENT + LATE + OTHER


@each_case("at", range(len(REFUSED)))
def test_what_would_not_come_back_is_refused_with_its_path(at: int) -> None:
    """A value that JSON would change, lose or choke on later is refused now, with the path inside the result."""
    value, path = REFUSED[at]
    error = refused(value)
    assert path == error.path
    assert str(error).startswith(f"{path} ")
    assert error.reason.isprintable()


def test_json_alone_would_have_taken_the_silent_ones() -> None:
    """The control: json.dumps takes every silent one, and what it makes is no JSON or comes back as something else."""

    def comes_back(value: Any) -> bool:
        try:
            back = json.loads(json.dumps(value), parse_constant=int)  # fails for NaN and Infinity
        except ValueError:
            return False
        return kind_of(value) == kind_of(back)

    assert [value for value, _ in SILENT if comes_back(value)] == []


def test_values_that_hold_themselves() -> None:
    """A list, an object or a dataclass that holds itself is an error, not a crash."""
    loop: list[Any] = []
    loop.append(loop)
    assert "levels deep" in refused({"a": loop}).reason
    chunk = Chunk("a")
    chunk.extra = [chunk]
    assert refused(chunk).path == "result"
    model = Model(cleaned_text="a")
    model.inner = model
    assert refused(model).path == "result"


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result of more bytes than the cap is refused; bytes count, not characters."""
    monkeypatch.setattr(json_text, "RESULT_BYTES_MAX", 12)
    assert json_text.encode("月" * 3) == '"月月月"'
    assert "larger than 12 bytes" in refused("月" * 4).reason
    assert json_text.encode("a" * 10) == '"aaaaaaaaaa"'
    assert "keep it in a file" in refused("a" * 11).reason


@pytest.mark.slow
@given(json_values, st.sampled_from([float("nan"), Span(1, 2), {1}, "\ud800", 10**4300, b""]), st.data())
def test_one_bad_value_anywhere_is_found(value: Any, bad: Any, data: st.DataObject) -> None:
    """One bad value put anywhere into a result is found, and its path leads to it."""
    path, whole = "result", [value, bad]
    steps = data.draw(st.lists(texts | st.integers(0, 3), max_size=4))
    current: Any = bad
    keys: list[Any] = []
    for step in steps:
        current = {"other": value, step: current} if isinstance(step, str) else [*[value] * step, current]
        keys.insert(0, step)
    whole = current
    path += "".join(f"[{key!r}]" for key in keys)
    assert path == refused(whole).path


# -- what a result says of itself


@each_case("own", [0, 7, -1, True, "1", 1.0, None])
def test_a_chunk_index_is_data_like_any_other(own: object) -> None:
    """Whatever a result says of its chunk is stored as it is."""
    assert kind_of(json_text.decode(json_text.encode({"chunk_index": own}))) == kind_of({"chunk_index": own})


@each_case(
    ("value", "plain"),
    [
        ((), []),
        ((1, (2, [3, (4,)])), [1, [2, [3, [4]]]]),
        ({"span": (0.5, 2.5), "words": [("a", 1), ("b", 2)]}, {"span": [0.5, 2.5], "words": [["a", 1], ["b", 2]]}),
        ([(Word.A, Number.ONE)], [["a", 1]]),
    ],
    ids=repr,
)
def test_plain_tuples_become_lists(value: Any, plain: Any) -> None:
    """Plain tuples become lists at any depth, also beside values that need a closer look."""
    assert kind_of(json_text.decode(json_text.encode(value))) == kind_of(plain)


def test_a_bad_value_in_a_tuple_is_found() -> None:
    """A bad value in a tuple is named with its place."""
    assert refused({"a": (1, (float("nan"),))}).path == "result['a'][1][0]"
    deep: Any = 1
    for _ in range(json_rules.DEPTH_MAX + 1):
        deep = (deep,)
    assert "200 levels" in refused(deep).reason


def test_another_name() -> None:
    """The path begins with the name of what is encoded."""
    with pytest.raises(InvalidResultError) as caught:
        json_text.encode({"a": {1}}, name="config")
    assert caught.value.path == "config['a']"


# -- dataclasses and models


def test_dataclasses() -> None:
    """A dataclass is kept as an object of its fields, with those inside it, and its tuples as lists."""
    chunk = Chunk("a", [Segment("b", 1.5)], (1, 2), {"s": Segment("c")})
    expected = {
        "cleaned_text": "a",
        "segments": [{"text": "b", "start_seconds": 1.5}],
        "span": [1, 2],
        "extra": {"s": {"text": "c", "start_seconds": 0.0}},
    }
    assert expected == json_text.decode(json_text.encode(chunk))


@given(st.builds(Chunk, texts, st.lists(st.builds(Segment, texts, st.floats(allow_nan=False, allow_infinity=False)))))
def test_dataclasses_come_back_as_themselves(chunk: Chunk) -> None:
    """A dataclass comes back equal as its own type."""
    assert chunk == as_type(json_text.decode(json_text.encode(chunk)), Chunk)


def test_models() -> None:
    """A pydantic model is kept as its JSON form and comes back equal as its own type, also inside a dataclass."""
    model = Model(cleaned_text="a", at=datetime(2024, 1, 1, tzinfo=UTC), parts=(1, 2), inner=Model(cleaned_text="b"))
    plain = json_text.decode(json_text.encode(model))
    assert (plain["at"], plain["parts"], plain["inner"]["cleaned_text"]) == ("2024-01-01T00:00:00Z", [1, 2], "b")
    assert model == as_type(plain, Model)
    assert json_text.decode(json_text.encode(Chunk("c", extra=model)))["extra"] == plain


def test_models_with_aliases() -> None:
    """A model whose fields have aliases is kept by the names of its fields and comes back all the same."""
    model = Aliased(cleanedText="a")
    plain = json_text.decode(json_text.encode(model))
    assert plain == {"cleaned_text": "a"}
    assert model == as_type(plain, Aliased) == as_type({"cleanedText": "a"}, Aliased)


def test_a_model_that_cannot_be_written() -> None:
    """A model with something in it that has no JSON form is refused by name."""

    class Odd(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        thing: object

    assert "cannot be written as JSON" in refused(Odd(thing=object())).reason


@given(json_values)
def test_the_text_is_that_of_pythons_own_encoder(value: Any) -> None:
    """A reader with any JSON library, and a result compared byte by byte, find what ``json.dumps`` would have made."""
    assert json_text.encode(value) == json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_without_the_c_encoder_the_text_is_the_same(monkeypatch: pytest.MonkeyPatch, *, ensure_ascii: bool) -> None:
    """A Python without the C encoder stores equal texts, only slower."""
    value = {"text": 'é "quoted" \n \x7f', "parts": [1, 2.5, None, True, {"ü": []}]}
    expected = json.dumps(value, ensure_ascii=ensure_ascii)
    assert json_text._encoder(ensure_ascii=ensure_ascii)(value) == expected
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert json_text._encoder(ensure_ascii=ensure_ascii)(value) == expected


# -- digests


def test_the_digest_is_frozen() -> None:
    """The digest of a stored result is the one of the first release: stores that were paid for must verify."""
    assert result_digest.digest("0f4c3d2e", 3, '{"a": 1}') == "d2e1345205f77aa54244efe6b198bed5"


@each_case("length", [0, 1, 1000, 2000, 2040, 2047, 2048, 5000, 33_000])
def test_the_digest_is_the_same_in_a_crowd(length: int) -> None:
    """What threads make in pieces is what a reader makes of the whole."""
    text = "ü" * length
    assert result_digest.digest_in_a_crowd("0f4c3d2e", 3, text) == result_digest.digest("0f4c3d2e", 3, text)


@given(st.tuples(texts, st.integers(0, 99), texts), st.tuples(texts, st.integers(0, 99), texts))
def test_the_digest_binds_job_chunk_and_text(one: tuple[str, int, str], other: tuple[str, int, str]) -> None:
    """A row that has come to stand in another's place, or another text, has another digest."""
    if ":" not in one[0] + other[0]:  # job ids are UUIDs
        assert (one == other) == (result_digest.digest(*one) == result_digest.digest(*other))
