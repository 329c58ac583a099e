"""The rows of a pandas or polars frame as chunks. Neither library is imported: a frame is known by its attributes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE_MAX: Final = 2**53
"""The largest whole number up to which integers and floats are equal."""
_TIMES: Final = "mM"
"""The kinds of numpy's durations and moments, which its ``tolist`` gives as a bare number of nanoseconds."""


def is_frame(value: object) -> bool:
    """Whether a value is a table whose iteration gives its columns, not its rows."""
    return hasattr(type(value), "columns")  # asked of the type, because a lazy frame would compute its columns


def as_rows(chunks: Any, by: Callable[[Any], Any] | None) -> tuple[Any, Callable[[Any], Any] | None]:
    """Return the chunks, and the function that identifies them: the chunks of a frame are its rows."""
    return (rows_of(chunks), by or row_identity) if is_frame(chunks) else (chunks, by)


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame in order, each as a dict by the names of its columns.

    A missing value (NaN, NaT, NA) becomes None, and a scalar or an array of numpy becomes a value of Python.

    Raises:
        InvalidArgumentError: the table is no frame of pandas or polars, or two columns have one name, or a name is no
            text.
    """
    kind = type(frame).__name__
    if not hasattr(frame, "to_dicts") and not (hasattr(frame, "iterrows") and hasattr(frame, "to_dict")):
        lazily = "collect() it first" if hasattr(frame, "collect") else "give a list of its rows as dicts"
        raise InvalidArgumentError("chunks", ..., f"is a table ({kind}) that does not give its rows; {lazily}")
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise InvalidArgumentError(
                "chunks", ..., f"is a {kind} with the column {name!r}, whose name is no text; rename it"
            )
        if names.count(name) > 1:
            raise InvalidArgumentError("chunks", ..., f"is a {kind} with two columns called {name!r}; rename one")
    rows = frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def row_identity(row: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies a row: a whole number counts the same as an integer and as a float.

    pandas makes floats of a column of integers as soon as one value in it is missing.
    """
    return {name: int(value) if _is_whole(value) else value for name, value in row.items()}


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and abs(value) <= _WHOLE_MAX and value.is_integer()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return str(value) if value.dtype.kind in _TIMES and value.ndim == 0 else _plain(value.tolist())
    return None if type(value).__name__ in ("NAType", "NaTType") else value
