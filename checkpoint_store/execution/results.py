"""A chunk's result as JSON text, on its way to the store and back; errors have the chunk, and its value."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any, TypeVar

from checkpoint_store.errors import InvalidArgumentError, InvalidResultError
from checkpoint_store.model.codec import json_text, typed
from checkpoint_store.model.codec.readers import as_type as convert
from checkpoint_store.model.error_text import text_of

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
