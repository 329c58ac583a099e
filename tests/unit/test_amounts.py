"""Amounts of money, read or not; and where they stand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from each_case import each_case

from checkpoint_store import InvalidArgumentError
from checkpoint_store.model.money import amount, checked_cost, fields_of, name_of, number_in


@each_case(
    ("value", "expected"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.5, 0.5),
        ("0.50", 0.5),
        (" 1 ", 1.0),
        ("1e-7", 1e-7),
        ("0E-8", 0.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3.0),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (1e15, 1e15),
    ],
)
def test_numbers_and_texts_that_are_numbers_are_amounts(value: Any, expected: float) -> None:
    """Numbers, and texts that are numbers, are amounts, as JSON, pydantic and functions give them."""
    assert amount(value) == expected


@each_case(
    "value",
    [
        None,
        True,
        False,
        -1,
        "-0.5",
        "",
        "abc",
        "nan",
        "inf",
        "1e999",
        "$0.50",
        "0,50",
        "1_000",
        "1 000",
        "0.5.0",
        ".",
        "٣",
        "9" * 65,
        [0.5],
        {"cost": 0.5},
        float("nan"),
        float("inf"),
        10**400,
        10**16,
        1e300,
        "1e16",
        Decimal("1e16"),
        Decimal("NaN"),
        Decimal("sNaN"),
        1j,
        object(),
    ],
)
def test_what_is_no_amount_is_none(value: Any) -> None:
    """A value that is no amount of money is read as None, and never as 0."""
    assert amount(value) is None


def test_whole_numbers_in_texts_stay_whole() -> None:
    """Token counts add up exactly."""
    numbers = [number_in("12"), number_in("12.0")]
    assert [(number, type(number)) for number in numbers] == [(12, int), (12.0, float)]


@each_case("cost", ["", ".", "usage.", ".cost", "a..b", 'a"b', "\ud800", None, 5, ["cost"]])
def test_what_says_no_place_is_refused(cost: Any) -> None:
    """A cost that names no place is refused with what may be given instead."""
    with pytest.raises(InvalidArgumentError, match="dotted path"):
        checked_cost(cost)


def test_a_place_has_a_name() -> None:
    """The name of the place of a cost is the name of its field or of its function."""
    assert [name_of("usage.cost"), name_of(checked_cost)] == ["usage.cost", "checked_cost(result)"]


def test_the_fields_of_a_result_are_named_as_cost_takes_them() -> None:
    """The fields of a result are named as ``cost=`` takes them, nested ones by paths, twenty at most."""
    assert fields_of({"text": "x", "usage": {"cost": 1, "by": {"in": 2}}, "none": {}, "list": [{"cost": 1}]}) == (
        "text",
        "usage.cost",
        "usage.by.in",
        "none",
        "list",
    )
    assert (fields_of([{"cost": 1}]), len(fields_of({str(index): 0 for index in range(99)}))) == ((), 20)
