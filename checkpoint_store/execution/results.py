"""A chunk's result on its way to the store: its JSON text, and the costs that were reported before it."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from checkpoint_store.errors import InvalidArgumentError, InvalidResultError
from checkpoint_store.model.codec import json_text, typed
from checkpoint_store.model.codec.readers import as_type as convert
from checkpoint_store.model.error_text import text_of
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Storage

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


def keep_reported_costs(storage: Storage, claims: Claims | None, completions: Sequence[Completion]) -> None:
    """Keep the costs that were reported by the attempts which these completions end. Durable when this returns.

    The store is asked only for attempts that have reported a cost, or that are not in hand: their results come late,
    and another process may have made them. A cost that cannot be kept is logged, and no error: the result is recorded
    next, and is worth more.
    """
    for completion in completions:
        job_id, index, number = completion.job_id, completion.chunk_index, completion.attempt
        if number is None:
            continue
        chunk = None if claims is None else claims.in_hand.get(index)
        if chunk is not None and chunk.number == number and not chunk.reported:
            continue
        try:
            storage.budgets.keep_reported(job_id, index, number)
        except Exception as error:  # whatever the disk lacks: the result is tried all the same
            log_suppressed(error, f"job {job_id}, chunk {index}: what its failed tries cost is not recorded")
