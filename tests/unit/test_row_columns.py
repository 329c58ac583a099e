"""A column of many rows is read at once: the values are those that each row would have been read to."""

from __future__ import annotations

from typing import Any

import pytest
from each_case import each_case

from checkpoint_store.storage.statements import rows

GOOD: dict[str, list[Any]] = {
    "updated_at": ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000001Z", "2026-01-01T13:00:00+01:00"],
    "job_id": ["a", ""],
    "model": ["m", None],
    "metadata": [None, "{}", '{"of": ["b"]}'],
    "looked_jobs": [None, 0, 3],
    "config": ["{}", '{"size": 1}', '{"of": {"a": [1]}}'],
}
ODD: list[Any] = [
    None,
    "",
    "yesterday",
    "2026-01-01T12:00:00",
    "2026-13-01T12:00:00Z",
    "Z",
    "[]",
    "{",
    0,
    1,
    -1,
    2,
    2**63,
]
ODD += [True, 1.0, b"a", b"2026-01-01T12:00:00Z", "running", "1"]


def _read(read: rows.Reader, column: tuple[Any, ...], *, at_once: bool) -> list[Any] | str:
    try:
        return list(rows.read_column(read, column) if at_once else map(read, column))
    except ValueError as error:
        return str(error)


@each_case("name", rows.JOB)
def test_a_column_is_read_as_its_rows_are(name: str) -> None:
    """What one row is refused for is refused among many, with the same words; every other value is the same."""
    read = rows.JOB[name]
    good = tuple(
        value for value in (*GOOD.get(name, []), *ODD) if isinstance(_read(read, (value,), at_once=False), list)
    )
    assert _read(read, good, at_once=True) == _read(read, good, at_once=False)
    for odd in ODD:
        for column in ((odd,), (*good, odd), (odd, *good), (odd, odd)):
            at_once, one_by_one = (_read(read, column, at_once=at_once) for at_once in (True, False))
            assert at_once == one_by_one
            assert repr(at_once) == repr(one_by_one)  # True is no 1


@pytest.mark.parametrize("text", ['{"size": 1}', '{"of": {"a": [1]}}'])
def test_equal_configs_are_not_one_object(text: str) -> None:
    """Who changes the config of one job in a list changes that of no other job."""
    first, second = rows.read_column(rows.JOB["config"], (text, text))
    first.get("of", first)["a"] = 2
    assert second == rows.JOB["config"](text)
    assert first != second
