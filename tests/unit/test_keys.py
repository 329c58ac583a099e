"""Keys of chunks: compared by their text, and given back as they were given."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.chunks import checked_keys, key_from, spellings, stored_key

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
numbers = st.integers(-(10**17) + 1, 10**17 - 1)


@given(texts | numbers | numbers.map(str) | numbers.map(lambda number: f'"{number}"'))
def test_a_key_comes_back_as_it_was_given(key: Any) -> None:
    """A page 7 is a number, a "7" is a text, and neither becomes the other."""
    back = key_from(stored_key(key))
    assert (back, type(back)) == (key, type(key))


@given(st.lists(texts | numbers, unique_by=str))
def test_two_keys_are_never_stored_alike(keys: list[Any]) -> None:
    """What is looked for by one key is found for no other."""
    assert len({stored_key(key) for key in keys}) == len(keys)


@given(texts | numbers)
def test_a_key_is_looked_for_as_it_was_given_first(key: Any) -> None:
    """Of two chunks whose keys read alike, the chunk with this very key is found."""
    assert spellings(key)[0] == stored_key(key)


@given(numbers)
def test_a_number_is_found_by_its_digits(number: int) -> None:
    """A key that is a number is found by its digits, as a command line gives them."""
    assert stored_key(number) in spellings(str(number))
    assert stored_key(str(number)) in spellings(number)


def test_a_name_is_found_in_either_unicode_form() -> None:
    """MacOS gives names of files in another form than people type."""
    assert stored_key("Mu\u0308ller.txt") in spellings("M\u00fcller.txt")
    assert stored_key("M\u00fcller.txt") in spellings("Mu\u0308ller.txt")


@each_case(
    ("keys", "says"),
    [
        ([1, "1"], "1 and '1', which read the same"),
        (["a", "M\u00fcller", "Mu\u0308ller"], "read the same"),
        (["a", 1.5], "1.5 for chunk 1, which is neither text nor a whole number"),
        ([True], "True for chunk 0, which is neither"),
        ([None], "None for chunk 0, which is neither"),
        ([("a", 1)], "for chunk 0, which is neither"),
        ([b"a"], "for chunk 0, which is neither"),
        ([""], "for chunk 0, which is no text of 1 to"),
        (["x" * 5000], "for chunk 0, which is no text of 1 to"),
        (["a\0b"], "NUL"),
        (["a\ud800"], "lone surrogate"),
        ([10**30], "more than 17 digits"),
    ],
    ids=range(12),
)
def test_what_is_no_key_is_named(keys: list[Any], says: str) -> None:
    """The error shows the key and its chunk."""
    with pytest.raises(InvalidArgumentError) as refused:
        checked_keys(keys)
    assert says in str(refused.value)


def test_any_mapping_has_keys() -> None:
    """Any mapping gives its keys in its own order."""
    assert checked_keys(MappingProxyType({"b": 1, 2: 2, "a": 3})) == ("b", 2, "a")
