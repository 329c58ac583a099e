"""The public names say what a caller needs to know of them, in a tooltip as on the page of the API."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from itertools import pairwise
from typing import Any

import pytest

import checkpoint_store

_SAY_ALL = {"completed_chunks", "config", "file_name", "job", "job_id", "level", "path", "progress", "total_chunks"}
"""Fields that need no sentence: the glossary has these words."""
RECORDS = [
    value
    for value in (getattr(checkpoint_store, name) for name in checkpoint_store.__all__)
    if dataclasses.is_dataclass(value) and value is not checkpoint_store.ProcessingState
]
"""All but the state, whose fields are those of the state file: its docstring tells of them together."""


def unexplained(record: Any) -> list[str]:
    """Return the public fields of a record that neither a sentence below them nor the docstring of the class explains."""
    body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0].body  # type: ignore[attr-defined]
    told = {
        line.target.id
        for line, below in pairwise(body)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }
    text = inspect.getdoc(record) or ""
    names = [field.name for field in dataclasses.fields(record) if not field.name.startswith("_")]
    return [name for name in names if name not in told | _SAY_ALL and f"``{name}``" not in text]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_each_field_of_a_record_is_explained(record: Any) -> None:
    """A caller knows of each field what it holds: a time's form, a unit, what None means."""
    assert unexplained(record) == []


def test_a_field_without_a_sentence_is_seen() -> None:
    """The control: a field that nothing explains is named."""

    @dataclasses.dataclass
    class Record:
        """A record; ``told`` is in its docstring."""

        told: int
        seconds: float
        below: int
        """It has a sentence."""

    assert unexplained(Record) == ["seconds"]


def test_each_public_name_has_a_docstring() -> None:
    """Who asks ``help`` for a public name, or for a public method of it, reads what it does."""
    names = {name: getattr(checkpoint_store, name) for name in checkpoint_store.__all__}
    methods = {
        f"{name}.{attribute}": value
        for name, owner in names.items()
        if inspect.isclass(owner)
        for attribute, value in inspect.getmembers(owner)
        if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    }
    assert [name for name, value in (names | methods).items() if not inspect.getdoc(value)] == []
