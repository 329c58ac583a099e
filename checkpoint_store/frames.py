"""Work on the rows of a pandas or polars frame, and have the results as its columns (extras ``pandas``, ``polars``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import InvalidArgumentError, short_repr
from checkpoint_store.execution.job.frame_columns import joined, library_of, result_columns
from checkpoint_store.loop.option_names import shows_options_of
from checkpoint_store.model.chunk_content import row_identity, rows_of
from checkpoint_store.model.chunks import is_key
from checkpoint_store.store import CheckpointStore

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["map_rows"]


@shows_options_of(CheckpointStore.map)
def map_rows(
    store: CheckpointStore,
    fn: Callable[[dict[str, Any]], Any],
    frame: Any,
    *,
    file_name: str | os.PathLike[str],
    columns: Iterable[str] | None = None,
    key: str | None = None,
    **options: Any,
) -> Any:
    """Return the frame with the fields of the results as further columns; rows that are done are not paid for again.

    Each row is a chunk: a dict by the names of its columns. Its values alone identify it; numpy's types, the frame's
    index and the row's place do not count. A missing value is None. A whole number is the same as an integer and as a
    float.

    Args:
        store: where the results are kept.
        fn: gets a row, and returns its result: an object whose fields become columns, or another JSON value, which
            becomes the column ``result``.
        frame: of pandas or polars. It stays as it is.
        file_name: what the frame is called.
        columns: which columns ``fn`` gets, and which make up the identity of a row; by default all. Another column may
            change without costing anything.
        key: the column whose values name the rows (``job.result_of``, views, commands), each once; by default none.
        options: those of :meth:`CheckpointStore.map`. With ``on_error="record"`` the new columns of a failed row are
            empty.

    Returns:
        A frame of the same library, with the same rows in the same order and, in pandas, the same index. A field
        that has the name of a column of the frame becomes ``result.NAME``.

    Raises:
        UnknownOptionError: a keyword is no option; the message names the nearest option.
        InvalidArgumentError: ``frame`` is no frame or lacks a column, or a row cannot be identified. Nothing was done.
    """
    library_of(frame)
    rows = rows_of(frame if columns is None else frame[_checked(columns, frame)])
    chunks = rows if key is None else _named(rows, rows_of(frame[_existing("key", [key], frame)]), key)
    results = store.map(fn, chunks, file_name=file_name, **({"fingerprint": row_identity} | options))
    return joined(frame, result_columns(results))


def _checked(columns: Iterable[str], frame: Any) -> list[str]:
    if not isinstance(columns, Iterable):
        raise InvalidArgumentError("columns", columns, "is no list of columns")
    wanted = _existing("columns", [columns] if isinstance(columns, str) else list(columns), frame)
    if not wanted:
        raise InvalidArgumentError("columns", columns, "names no column: all rows would be the same chunk")
    for name in wanted:
        if wanted.count(name) > 1:
            raise InvalidArgumentError("columns", columns, f"names the column {name!r} twice")
    return wanted


def _existing(option: str, wanted: list[str], frame: Any) -> list[str]:
    names = list(frame.columns)
    for name in wanted:
        if name not in names:
            has = ", ".join(map(str, names))
            raise InvalidArgumentError(option, name, f"is no column of the frame, which has {has}")
    return wanted


def _named(rows: list[dict[str, Any]], keys: list[dict[str, Any]], column: str) -> dict[Any, dict[str, Any]]:
    named = {}
    for row, key in zip(rows, keys, strict=True):
        value = key[column]
        if not is_key(value):
            raise InvalidArgumentError(
                "key", column, f"is a column with the value {short_repr(value)}, which is no key"
            )
        if value in named:
            raise InvalidArgumentError("key", column, f"is a column with the value {value!r} in two rows")
        named[value] = row
    return named
