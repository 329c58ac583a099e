"""Typed results, quickly: the quick way gives what the slow way gives, and refuses what it refuses, with the same words."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Any, Generic, Literal, NamedTuple, Optional, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, computed_field

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.model.codec import typed
from checkpoint_store.model.codec.json_text import decode, encode_result
from checkpoint_store.model.codec.readers import as_type

T = TypeVar("T")


@dataclass
class Leaf:
    """A leaf of a tree."""

    text: str
    weight: float = 0.0
    note: str | None = None


@dataclass
class Tree:
    """A tree, which holds itself."""

    leaves: list[Leaf]
    branches: list[Tree] = field(default_factory=list)
    by_name: dict[str, Leaf] = field(default_factory=dict)
    best: Optional[Leaf] = None  # people write it so
    sizes: tuple[int, ...] = ()
    kind: Literal["oak", "fir"] = "oak"
    either: Leaf | dict[str, Any] | int | None = None


@dataclass
class Swapped:
    """A class whose own initializer takes its fields in another order."""

    first: str
    second: str

    def __init__(self, second: str, first: str) -> None:
        self.first, self.second = first, second


@dataclass
class Counted:
    """A class that makes more of what it is given."""

    base: InitVar[int] = 1
    doubled: int = field(init=False, default=2)


@dataclass
class Box(Generic[T]):
    """A generic class that holds another one of its kind."""

    item: T
    inner: Optional[Box[T]] = None


class Model(BaseModel):
    """A pydantic model with a field that it computes."""

    text: str
    count: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        """How long its text is."""
        return len(self.text)


class Pair(NamedTuple):
    """A named tuple, which is no type of a result."""

    one: int


TYPES = (
    Leaf, Tree, Swapped, Counted, Box[int], Box[Leaf], Model, Pair, list[Leaf], dict[str, Tree], tuple[Leaf, ...], tuple[int, str],
    int, float, bool, str, list, dict, None, Leaf | None, Leaf | dict, dict | Leaf, int | float, float | int, Any, dict[str, int | None],
)  # fmt: skip
WORDS = ("text", "weight", "note", "leaves", "branches", "by_name", "best", "sizes", "kind", "either", "item", "inner", "first", "second", "count", "length", "doubled")  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers(2**53, 2**70) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "oak"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
LEAVES = st.fixed_dictionaries({"text": st.text(max_size=3)}, optional={"weight": st.floats(0, 9) | st.integers(0, 9), "note": st.none() | st.just("n"), "extra": st.just(1)})  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries({"leaves": st.lists(LEAVES, max_size=2)}, optional={"branches": st.lists(inner, max_size=2), "best": LEAVES, "either": inner, "sizes": st.lists(st.integers(), max_size=2)}),
    max_leaves=6,
)  # fmt: skip


def _outcome(read: Any, value: Any, wanted: Any) -> Any:
    try:
        made = read(value, wanted, "result")
    except InvalidResultError as error:
        return error.path, error.reason
    return repr(made), type(made)


@given(value=VALUES | TREES, wanted=st.sampled_from(TYPES))
def test_the_quick_way_is_the_slow_way(value: Any, wanted: Any) -> None:
    """Whatever the value and the type: the same object, or the same refusal with the same place."""
    assert _outcome(as_type, value, wanted) == _outcome(typed.convert, value, wanted)


def test_the_first_of_two_types_wins_whichever_was_read_before() -> None:
    """``A | B`` equals ``B | A`` for Python; what is kept of one of them is not used for the other."""
    for _ in range(2):
        assert as_type([{"text": "a"}], list[Leaf | dict[str, Any]]) == [Leaf("a")]  # type: ignore[comparison-overlap]
        assert as_type([{"text": "a"}], list[dict[str, Any] | Leaf]) == [{"text": "a"}]


@dataclass
class Normal:
    """A class that changes what it is given."""

    text: str

    def __post_init__(self) -> None:
        """Take the blanks away."""
        self.text = self.text.strip()


@dataclass
class Holder:
    """Holds others, at a known place."""

    items: list[Any]
    more: dict[str, Any] = field(default_factory=dict)


def test_what_would_come_back_as_something_else_is_refused_with_its_place() -> None:
    """A nested object that its class changes, or whose class the annotation does not name, is noticed at once."""
    changed = Normal("a")
    changed.text = " a "
    with pytest.raises(InvalidResultError, match=r"result\.text"):
        encode_result(changed)
    with pytest.raises(InvalidResultError, match=r"result\.items\[1\]"):
        encode_result(Holder([1, Leaf("a")]))
    with pytest.raises(InvalidResultError, match=r"result\['more'\]\['a'\]"):
        encode_result(Holder([1], {"a": {1: 2}}))


def test_what_comes_back_is_what_was_stored() -> None:
    """Nested objects, absent ones, and numbers that a float field holds as whole ones."""
    tree = Tree(
        [Leaf("a", 1), Leaf("b", note="n")], [Tree([])], {"x": Leaf("y")}, Leaf("z"), (1, 2), either={"text": 1}
    )
    assert as_type(decode(encode_result(tree)), Tree) == tree
