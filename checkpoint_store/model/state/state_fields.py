"""The checks of the fields of a state. Each error names the field, the place in it, and the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from checkpoint_store.errors import InvalidResultError, StateFormatError, counted, short_repr
from checkpoint_store.model.chunks import CHUNKS_MAX
from checkpoint_store.model.clock import parse_time
from checkpoint_store.model.codec import json_rules, json_text
from checkpoint_store.model.frozen import FrozenDict, FrozenList, freeze, frozen_list
from checkpoint_store.model.store_file import RELEASED_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def frozen(name: str, at: str, value: object) -> Any:
    """Return a value of the field ``name``, frozen; what JSON cannot hold is an error with its place in the field."""
    if isinstance(value, FrozenDict | FrozenList):
        return value
    try:
        plain = json_text.to_json_value(value, at)
        json_rules.check(plain, at)
    except InvalidResultError as error:
        raise StateFormatError(name, f"{error.path} {error.reason}".strip()) from error
    except RecursionError:
        raise StateFormatError(name, f"{at} holds itself, or is nested too deeply".strip()) from None
    return freeze(plain)


def frozen_results(results: Sequence[Any]) -> Sequence[Any]:
    """Return results frozen; results that are frozen already are not checked again."""
    if type(results) is FrozenList:
        return results
    kinds = FrozenDict, FrozenList
    return frozen_list(
        result if type(result) in kinds else frozen("processed_results", f"[{at}]", result)
        for at, result in enumerate(results)
    )


def check_version(version: object) -> None:
    """Refuse a version that this library does not read."""
    if version not in RELEASED_VERSIONS:
        fail(
            "version",
            f"is {short_repr(version)}; this version of checkpoint-store reads {', '.join(RELEASED_VERSIONS)}. A newer "
            "one may read it: pip install --upgrade checkpoint-store",
        )


def check_time(name: str, value: object) -> None:
    """Refuse what is no ISO 8601 time."""
    try:
        parse_time(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        fail(name, f"is {short_repr(value)}, not an ISO 8601 time")


def check_text(name: str, value: str) -> None:
    """Refuse a text that no UTF-8 file can hold."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        fail(name, f"is {short_repr(value)}, which has a lone surrogate: no UTF-8 file can hold it")


def check_object(name: str, value: object) -> None:
    """Refuse a value that is no JSON object."""
    if not isinstance(value, Mapping):
        fail(name, f"is {short_repr(value)}, not an object")


def check_list(name: str, value: object) -> None:
    """Refuse a value that is no list."""
    if not isinstance(value, list | tuple):
        fail(name, f"is of the type {type(value).__name__}, not a list")


def check_chunks(total: Any, completed: Any) -> None:
    """Refuse an impossible number of chunks, and completed chunks that are out of range or listed twice."""
    if type(total) is not int or not 0 <= total <= CHUNKS_MAX:
        fail("total_chunks", f"is {short_repr(total)}, not a whole number from 0 to {CHUNKS_MAX:,}")
    check_list("completed_chunks", completed)
    if completed and not (set(map(type, completed)) == {int} and 0 <= min(completed) <= max(completed) < total):
        for position, index in enumerate(completed):
            if type(index) is not int:
                fail("completed_chunks", f"[{position}] is {short_repr(index)}, not a whole number")
            if not 0 <= index < total:
                grown = ": if the input has more chunks by now, change total_chunks, too" if index >= total else ""
                fail("completed_chunks", f"[{position}] is {short_repr(index)}, but total_chunks is {total}{grown}")
    if len(set(completed)) != len(completed):
        fail("completed_chunks", "names a chunk twice")


def check_result_indices(indices: Any, completed: Sequence[int], results: int) -> None:
    """Refuse a list that does not name a completed chunk for each of the first results."""
    check_list("result_indices", indices)
    if not indices:
        return
    if len(indices) > results:
        named = counted(len(indices), "result")
        fail("result_indices", f"names the chunks of {named}, but the number of results is {results}")
    _check_completed("result_indices", indices, completed)


def _check_completed(name: str, indices: Sequence[Any], completed: Sequence[int]) -> None:
    known = set(completed)
    if set(map(type, indices)) == {int} and known.issuperset(indices):
        return
    for position, index in enumerate(indices):
        if type(index) is not int or index not in known:
            fail(name, f"[{position}] is {short_repr(index)}, which is not in completed_chunks")


def check_redo_chunks(indices: Any, completed: Sequence[int]) -> None:
    """Refuse a list that does not name completed chunks, each once."""
    check_list("redo_chunks", indices)
    if indices:
        _check_completed("redo_chunks", indices, completed)
    if len(set(indices)) != len(indices):
        fail("redo_chunks", "names a chunk twice")


def fail(name: str, reason: str) -> NoReturn:
    """Raise the error that names a field."""
    raise StateFormatError(name, reason)


def refuse_unknown(names: Iterable[object], fields: Sequence[str]) -> None:
    """Raise StateFormatError for the first of these names that is none of ``fields``, the fields of a state."""
    for name in names:
        if name not in fields:
            raise StateFormatError(str(name), f"is not a field of a state; the fields are {', '.join(fields)}")
