"""A typed result comes back equal, or is refused when it is stored: never read back as something else."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, NewType, TypedDict, TypeVar

import pytest
from each_case import each_case
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, computed_field

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.codec.readers import as_type

T = TypeVar("T")
UserId = NewType("UserId", int)


class Kind(StrEnum):
    TALK = "talk"


class Base(BaseModel):
    a: int = 1


class Derived(Base):
    b: int = 2


class Bases(BaseModel):
    items: list[Base]


class WithExcluded(BaseModel):
    a: int = 1
    b: int = Field(2, exclude=True)


class WithPrivate(BaseModel):
    a: int = 1
    _seen: int = PrivateAttr(0)


class WithSecret(BaseModel):
    key: SecretStr


class Anything(BaseModel):
    x: Any


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cost(self) -> int:
        return 2 * self.a


class Nested(BaseModel):
    inner: list[Forbidding]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Rich(BaseModel):
    at: datetime
    price: Decimal
    words: set[str]
    a: int = Field(alias="A")

    @cached_property
    def length(self) -> int:
        return len(self.words)


class PCat(BaseModel):
    name: str


class PDog(BaseModel):
    name: str


class PPet(BaseModel):
    pet: PCat | PDog


class PBox(BaseModel, Generic[T]):
    inner: T


@dataclass
class Doubling:
    n: int

    def __post_init__(self) -> None:
        self.n *= 2


@dataclass
class Stripping:
    text: str

    def __post_init__(self) -> None:
        self.text = self.text.strip()


@dataclass
class Adding:
    n: int
    more: InitVar[int]

    def __post_init__(self, more: int) -> None:
        self.n += more


@dataclass
class Cat:
    name: str


@dataclass
class OldCat(Cat):
    age: int = 1


@dataclass
class Dog:
    name: str


@dataclass
class Pet:
    pet: Cat | Dog


class Words(TypedDict):
    a: int


@dataclass
class Box(Generic[T]):
    inner: T


@dataclass(eq=False)
class Whole:
    words: Words
    user: UserId
    box: Box[list[int]]
    spans: list[tuple[int, int]]
    kind: Kind = Kind.TALK
    start_seconds: float = 0
    cats: list[Cat] = field(default_factory=list)


def private(seen: int) -> WithPrivate:
    """A model with a private attribute of this value."""
    made = WithPrivate()
    made._seen = seen
    return made


def rich() -> Rich:
    """A model of which a cached property was asked for."""
    made = Rich(at=datetime(2026, 1, 2, tzinfo=UTC), price=Decimal("1.50"), words={"a"}, A=1)
    assert made.length == 1
    return made


COME_BACK = [
    Bases(items=[Base(a=3)]),
    WithExcluded(),
    private(0),
    Anything(x=[1, {"a": None}]),
    Forbidding(a=1),
    Nested(inner=[Forbidding(a=1)]),
    Open.model_validate({"a": 1, "b": [1]}),
    rich(),
    PPet(pet=PCat(name="a")),
    PBox[int](inner=1),
    Doubling(0),
    Stripping(" a "),
    Pet(Cat("a")),
    Box(1),
]


@each_case("value", COME_BACK, ids=lambda value: type(value).__name__)
def test_what_is_stored_comes_back_equal(value: Any) -> None:
    """What is stored comes back as the same type, and equal."""
    back = as_type(json_text.decode(json_text.encode_result(value)), type(value))
    assert (type(back), back) == (type(value), value)


def test_a_class_without_equality_is_compared_by_its_fields() -> None:
    """TypedDict, NewType, a generic class, tuples and enums in it."""
    value = Whole({"a": 1}, UserId(7), Box([1]), [(1, 2)], cats=[Cat("a")])
    back = as_type(json_text.decode(json_text.encode_result(value)), Whole)
    assert vars(back) == vars(value)
    assert type(back.kind) is Kind


REFUSED = [
    (Bases(items=[Derived()]), "result.items[0]"),
    (WithExcluded(b=3), "result.b"),
    (private(5), "result._seen"),
    (WithSecret(key=SecretStr("canary")), "result.key"),
    (Anything(x=(1, 2)), "result.x"),
    (Anything(x=Base()), "result.x"),
    (Open.model_validate({"a": 1, "b": (1,)}), "result.b"),
    (PPet(pet=PDog(name="a")), "result.pet"),
    (PBox(inner=(1,)), "result.inner"),
    (Doubling(1), "result.n"),
    (Adding(1, 1), "result"),
    (Pet(Dog("a")), "result.pet"),
    (Box((1,)), "result.inner"),
    (Whole({"a": 1}, UserId(7), Box([1]), [], cats=[OldCat("a")]), "result.cats[0]"),
    (Whole({"a": "b"}, UserId(7), Box([1]), []), "result.words['a']"),  # type: ignore[typeddict-item]
    (Whole({"a": 1}, UserId(7), Box(["a"]), []), "result.box.inner[0]"),  # type: ignore[list-item]
]


@each_case(("value", "path"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_what_would_come_back_different_is_refused(value: Any, path: str) -> None:
    """A value that would come back different is refused with its place, and without the value."""
    with pytest.raises(InvalidResultError) as caught:
        json_text.encode_result(value)
    assert caught.value.path == path
    assert "canary" not in str(caught.value)


def test_plain_data_is_not_tried() -> None:
    """Plain data comes back as JSON, and is stored without a trial of its way back."""
    assert json_text.encode_result({"a": (1, 2)}) == '{"a": [1, 2]}'
