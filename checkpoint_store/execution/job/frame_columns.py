"""Results as columns of a pandas or polars frame, without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from checkpoint_store.errors import InvalidArgumentError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

Library = Literal["pandas", "polars"]
Columns = dict[str, list[Any]]
_EXACT_MAX: Final = 2**53
"""The largest integer up to which all integers are exact as floats."""
_PANDAS: Final = {"int": "int64", "float": "float64", "bool": "bool"}
_PANDAS_WITH_MISSING: Final = {"int": "Int64", "float": "float64", "bool": "boolean"}
_POLARS: Final = {"int": "Int64", "float": "Float64", "bool": "Boolean", "text": "String"}
RESULT: Final = "result"
"""The column of results that are no objects, and the prefix of a field whose name another column has."""


def imported(library: str) -> ModuleType:
    """Return pandas or polars, imported here; :class:`MissingExtra` if it is not installed."""
    try:
        if library == "pandas":
            import pandas as pd

            return pd  # type: ignore[no-any-return]  # its types are a package of their own
        if library == "polars":
            import polars as pl

            return pl
    except ImportError as missing:
        raise MissingExtra(library, library, f"a frame of {library}") from missing
    raise InvalidArgumentError("library", library, f"is none of {', '.join(get_args(Library))}")


def library_of(frame: object) -> Library:
    """Return which library a frame is of, or refuse what is no frame."""
    homes = {kind.__module__.partition(".")[0] for kind in type(frame).__mro__}
    for library in get_args(Library):
        if library in homes and hasattr(type(frame), "columns"):
            named: Library = library
            return named
    raise InvalidArgumentError("frame", ..., f"is of the type {type(frame).__name__}, no frame of pandas or polars")


def result_columns(results: Sequence[Any]) -> Columns:
    """Return a column for each field of the results, in the order in which the fields appear.

    A field that a result does not have is None there, and so are all fields of a result that is None. Results that are
    no objects stand in the column ``result``.
    """
    columns: Columns = {}
    for row, result in enumerate(results):
        fields = result if isinstance(result, dict) else {} if result is None else {RESULT: result}
        for name, value in fields.items():
            columns.setdefault(name, [None] * len(results))[row] = value
    return columns


def beside(own: Columns, taken: Iterable[str]) -> Columns:
    """Return columns under names that no other column has: ``result.NAME`` if NAME is taken."""
    names = set(taken)
    renamed: Columns = {}
    for name, values in own.items():
        free = name
        while free in names:
            free = f"{RESULT}.{free}"
        names.add(free)
        renamed[free] = values
    return renamed


def made(library: str, columns: Columns) -> Any:
    """Return a frame of these columns. A column of integers stays a column of integers if a value is missing."""
    module = imported(library)
    series = _pandas_series if library == "pandas" else _polars_series
    return module.DataFrame({name: series(module, name, values) for name, values in columns.items()})


def joined(frame: Any, columns: Columns) -> Any:
    """Return a frame with further columns, row by row; the frame that was given stays as it is."""
    library = library_of(frame)
    more = made(library, beside(columns, frame.columns))
    if library == "polars":
        return frame.hstack(more)
    return imported(library).concat([frame, more.set_axis(frame.index, axis=0)], axis=1)


def _pandas_series(pandas: Any, name: str, values: list[Any]) -> Any:
    kind, has_missing = _kind(values), None in values
    if kind == "text":
        return pandas.Series(values, name=name)  # str in pandas 3, object before
    dtype = (_PANDAS_WITH_MISSING if has_missing else _PANDAS).get(kind, "object")
    return pandas.Series(values, name=name, dtype=dtype)


def _polars_series(polars: Any, name: str, values: list[Any]) -> Any:
    kind = _kind(values)
    if kind in _POLARS:
        return polars.Series(name, values, dtype=getattr(polars, _POLARS[kind]))
    try:
        series = polars.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        series = None
    if series is not None and series.to_list() == values:
        return series
    return polars.Series(name, values, dtype=polars.Object)  # lists and objects that are not all of one shape


def _kind(values: list[Any]) -> str:
    """Return the simple type that holds all values of a column exactly; empty if no simple type does."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return "bool"
    if types == {str}:
        return "text"
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return "int"
    if types and types <= {int, float}:
        return "float" if all(abs(value) <= _EXACT_MAX for value in values if type(value) is int) else ""
    return ""
