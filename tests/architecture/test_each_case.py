"""The helper that folds a table of quick cases into one test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

if TYPE_CHECKING:
    from pathlib import Path


def test_every_failing_case_is_named() -> None:
    """A failure of a table names each case that fails, by its id, and shows the error of each."""

    @each_case(("given", "expected"), [(1, 1), (2, 3), (4, 5)], ids=["one", "two", "four"])
    def fails_twice(given: int, expected: int) -> None:
        assert given == expected

    with pytest.raises(ExceptionGroup, match=r"2 of 3 cases failed: two, four$") as caught:
        fails_twice()
    assert [error.__notes__ for error in caught.value.exceptions] == [["in the case two"], ["in the case four"]]


def test_a_case_that_raises_nothing_fails_alone() -> None:
    """A case in which no error is raised does not hide the cases behind it."""
    tried = []

    @each_case("number", [0, 1, 2])
    def raises_at_two(number: int) -> None:
        tried.append(number)
        with pytest.raises(ZeroDivisionError):
            print(1 / (2 - number))

    with pytest.raises(BaseExceptionGroup, match=r"2 of 3 cases failed: 0, 1$"):
        raises_at_two()
    assert tried == [0, 1, 2]


def test_a_case_that_is_skipped_hides_no_failure() -> None:
    """A case that skips itself fails: a skipped test would say nothing of the cases before and behind it."""

    @each_case("number", [0, 1, 2])
    def skips_one(number: int) -> None:
        if number == 1:
            pytest.skip("not here")
        assert number == 2

    with pytest.raises(BaseExceptionGroup, match=r"2 of 3 cases failed: 0, 1$"):
        skips_one()


def test_a_table_without_cases_is_refused() -> None:
    """A list of cases that has become empty passes no test unseen, also if the list is made when it is tried."""
    with pytest.raises(AssertionError, match="a table without cases tries nothing"):
        each_case("number", [])

    @each_case("number", list)
    def tries_nothing(number: int) -> None:
        assert number

    with pytest.raises(AssertionError, match="a table without cases tries nothing"):
        tries_nothing()


def test_nested_tables_try_each_pair() -> None:
    """Two tables over one test try each case of one with each case of the other."""
    tried = []

    @each_case("letter", "ab")
    @each_case("number", [1, 2], ids=str)
    def notes(letter: str, number: int) -> None:
        tried.append(f"{letter}{number}")

    notes()
    assert tried == ["a1", "a2", "b1", "b2"]


def test_cases_do_not_fit_their_names() -> None:
    """A table with too few or too many values is refused before any case is tried."""
    with pytest.raises(AssertionError, match=r"2 names do not fit \(1, 2, 3\)"):
        each_case("a, b", [(1, 2, 3)])
    with pytest.raises(AssertionError, match="1 ids do not fit 2 cases"):
        each_case("a", [1, 2], ids=["one"])


def test_a_table_that_needs_a_slow_import_is_made_when_it_is_tried() -> None:
    """A function that makes the cases is not called while its module is imported."""
    made = []

    def cases() -> list[int]:
        made.append("cases")
        return [1, 2]

    @each_case("number", cases)
    def fails_at_two(number: int) -> None:
        assert number == 1

    assert made == []
    with pytest.raises(ExceptionGroup, match=r"1 of 2 cases failed: 2$"):
        fails_at_two()


def test_a_case_without_a_text_is_named_by_its_number() -> None:
    """A case whose values cannot be shown is named by its place in the table."""

    @each_case("number", [0, 10**5000])
    def fails_at_the_long_number(number: int) -> None:
        assert not number.bit_length()

    with pytest.raises(ExceptionGroup, match=r"1 of 2 cases failed: number 1$"):
        fails_at_the_long_number()


@each_case("number", [0, 1])
def test_each_case_has_its_own_folder_and_environment(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a case writes or replaces is gone before the next case."""
    assert list(tmp_path.iterdir()) == []
    tmp_path.joinpath("left").touch()
    assert "EACH_CASE" not in os.environ
    monkeypatch.setenv("EACH_CASE", str(number))
