"""A chunk's result as JSON text, on its way to the store and back, and the cost of the result that it replaces."""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, InvalidResultError
from checkpoint_store.model.codec import json_text, typed
from checkpoint_store.model.codec.readers import as_type as convert
from checkpoint_store.model.error_text import text_of
from checkpoint_store.model.money import cost_in
from checkpoint_store.system.log import WarningsLast, log_suppressed

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.money import Cost

T = TypeVar("T")


def encoded(result: object, *, chunk_index: int, job_id: str | None = None) -> str:
    """Return the JSON text of a chunk's result; an error has the value, which may be paid for."""
    try:
        return json_text.encode_result(result)
    except Exception as error:  # reading an attribute of the caller's value may raise anything
        reason, path = f"cannot be read: {type(error).__name__}: {text_of(error)}", "result"
        if isawaitable(result):
            reason = "is a coroutine (or another awaitable): await it first, or give a coroutine function to amap()"
        elif isinstance(error, InvalidResultError):
            reason, path = error.reason, error.path
        elif isinstance(error, MemoryError):
            reason = "could not be written as JSON: there was not enough memory"
        raise InvalidResultError(reason, path=path, job_id=job_id, chunk_index=chunk_index, result=result) from error


def checked_type(as_type: type[T] | None) -> type[T] | None:
    """Return a caller's ``as_type``; :class:`InvalidArgumentError`: it is no type, as an object or a text is none."""
    if as_type is None or as_type is Any or typed.is_type(as_type):
        return as_type
    raise InvalidArgumentError("as_type", as_type, "is no type; give a dataclass or a pydantic model: the class itself")


def decoded(text: str, as_type: type[Any] | None, job_id: str, chunk_index: int) -> Any:
    """Return a result as JSON data, or as an object of ``as_type``; refuse a result that does not fit."""
    try:
        value = json_text.decode(text)
    except (ValueError, RecursionError):
        reason = "is no JSON that this library wrote, or is nested too deeply"
        raise InvalidResultError(reason, job_id=job_id, chunk_index=chunk_index) from None
    if as_type is None:
        return value
    try:
        return convert(value, as_type)
    except InvalidResultError as error:
        if isinstance(error.__cause__, MemoryError):  # a lack of memory says nothing about the result
            raise error.__cause__ from None
        raise InvalidResultError(error.reason, path=error.path, job_id=job_id, chunk_index=chunk_index) from error


def earlier_cost(context: StoreContext, job_id: str, index: int, cost: Cost, *, replace: bool) -> float | None:
    """Return the cost of the result that the next result of a chunk replaces; None if a usual field holds it.

    The earlier result is replaced if the chunk is to be done again, or if the caller asks for that (``replace``).

    A ``cost`` function is the caller's. It is called here, outside of any transaction. A store that is closed, or an
    earlier result that is damaged, raises nothing: the next result is paid for, and is to be recorded or kept.
    """
    try:
        is_by_hand = replace and context.reading.results.digest(job_id, index) is not None
        if not is_by_hand and not context.reading.marks.has(job_id, index):
            return None
        with suppress(Warning), WarningsLast():  # a warning of a healed result may be an error here
            text = context.reading.results.text(job_id, index)
        return cost_in(json_text.decode(text), cost)
    except (CheckpointStoreError, ValueError) as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: what its earlier result cost could not be read")
        return None
