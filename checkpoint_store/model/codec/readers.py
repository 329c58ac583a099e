"""Turn stored JSON into the caller's own types, quickly: the annotations of a type are looked up once.

Each type gets a reader when it is first asked for. A reader turns a value that fits into an object, and knows no
errors: :mod:`checkpoint_store.model.codec.typed` reads a value that does not fit again, and says where and why.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, Final, TypeVar, cast

from checkpoint_store.model.codec import typed

T = TypeVar("T")

_Reader = Callable[[Any], Any]
"""A function that makes an object of a JSON value; it raises any exception if the value does not fit."""


class _MisfitError(Exception):
    """A value does not fit its type; ``typed.convert`` says why."""


def as_type(value: Any, wanted: type[T], path: str = "result") -> T:
    """Return a JSON value as ``wanted``: a dataclass, a pydantic model, an Enum or a (generic) JSON type."""
    try:
        return cast("T", _reader_of(_This(wanted))(value))
    except Exception:  # it does not fit, or no reader can be made: convert() says why
        return cast("T", typed.convert(value, wanted, path))


class _This:
    """A type, compared by its identity: ``A | B`` equals ``B | A``, but the order of the two matters here."""

    __slots__ = ("wanted",)

    def __init__(self, wanted: Any) -> None:
        self.wanted: Final = wanted

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and other.wanted is self.wanted

    def __hash__(self) -> int:
        return id(self.wanted)


@lru_cache(maxsize=256)
def _reader_of(this: _This) -> _Reader:
    return _make(this.wanted, {})


def _make(wanted: Any, made: dict[Any, _Reader]) -> _Reader:
    """Return a new reader. ``made`` are the readers that it is part of: a class may hold itself."""
    wanted = typed.meant_by(wanted)
    if wanted is Any or wanted is object:
        return _as_it_is
    origin = typing.get_origin(wanted)
    if dataclasses.is_dataclass(origin):
        given = dict(zip(typed.variables_of(origin), typing.get_args(wanted), strict=False))
        return _reader_of_dataclass(origin, wanted, given, made)
    if origin is not None:
        return _reader_of_generic(wanted, origin, typing.get_args(wanted), made)
    return _reader_of_class(wanted, made)


def _reader_of_class(wanted: Any, made: dict[Any, _Reader]) -> _Reader:
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if isinstance(wanted, type) and not typing.is_typeddict(wanted):
        if hasattr(wanted, "model_validate"):
            return _reader_of_model(wanted)
        if dataclasses.is_dataclass(wanted):
            return _reader_of_dataclass(wanted, wanted, {}, made)
    return _slowly(wanted)


def _slowly(wanted: Any) -> _Reader:
    return lambda value: typed.convert(value, wanted, "")


def _as_it_is(value: Any) -> Any:
    return value


def _plain(kind: type) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _MisfitError

    return read


def _float(value: Any) -> Any:
    return value if type(value) is float else typed.convert(value, float, "")


_PLAIN: Final[dict[type, _Reader]] = {kind: _plain(kind) for kind in (str, int, bool, type(None), list, dict)} | {
    float: _float
}


def _reader_of_model(wanted: Any) -> _Reader:
    options = typed.by_name(wanted)
    if getattr(wanted, "model_computed_fields", None):
        return _slowly(wanted)
    validate = wanted.model_validate
    return lambda value: validate(value, **options)


def _reader_of_dataclass(wanted: Any, key: Any, given: dict[Any, Any], made: dict[Any, _Reader]) -> _Reader:
    if wanted in made:
        return _slowly(key) if given else _later(wanted, made)
    made[wanted] = whole = _slowly(key)
    fields = dataclasses.fields(wanted)
    hints = typed.hints_of(wanted, "")
    readers = [(field.name, _make(typed.with_given(hints[field.name], given), made)) for field in fields]
    in_order = _takes_fields_in_order(wanted, [name for name, _ in readers])
    read = _all_fields(wanted, readers, whole) if in_order else whole
    if given:
        del made[wanted]
    else:
        made[wanted] = read
    return read


def _later(wanted: Any, made: dict[Any, _Reader]) -> _Reader:
    """Return a reader for a class that holds itself: the reader of the class is being made."""

    def read(value: Any) -> Any:
        return made[wanted](value)

    return read


def _takes_fields_in_order(wanted: Any, names: list[str]) -> bool:
    """Whether a class takes its fields by position, all of them and nothing else."""
    try:
        parameters = signature(wanted).parameters.values()
    except (TypeError, ValueError):  # a class of its own kind
        return False
    in_order = [parameter.name for parameter in parameters if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
    return in_order == names and len(parameters) == len(names)


def _all_fields(wanted: Any, readers: Sequence[tuple[str, _Reader]], whole: _Reader) -> _Reader:
    """Return a reader for objects with all fields; ``whole`` reads an object that lacks some."""
    count = len(readers)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _MisfitError
        if len(value) != count:  # a field is missing and has its default, or the value does not fit
            return whole(value)
        return wanted(*[read_field(value[name]) for name, read_field in readers])

    return read


def _reader_of_generic(wanted: Any, origin: Any, arguments: tuple[Any, ...], made: dict[Any, _Reader]) -> _Reader:
    if origin in (typing.Union, types.UnionType):
        return _reader_of_union(wanted, arguments, made)
    if origin in (dict, Mapping) and arguments and typed.meant_by(arguments[0]) is str:
        return _reader_of_dict(_make(arguments[1], made))
    if origin in (list, Sequence) and arguments:
        return _reader_of_list(_make(arguments[0], made), list)
    if origin is tuple and arguments[1:] == (Ellipsis,):  # tuple[X, ...]
        return _reader_of_list(_make(arguments[0], made), tuple)
    return _slowly(wanted)


def _reader_of_list(read_item: _Reader, kind: Callable[[list[Any]], Any]) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise _MisfitError
        items = [read_item(item) for item in value]
        return items if kind is list else kind(items)

    return read


def _reader_of_dict(read_item: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _MisfitError
        return {key: read_item(item) for key, item in value.items()}

    return read


def _reader_of_union(wanted: Any, choices: tuple[Any, ...], made: dict[Any, _Reader]) -> _Reader:
    """Return a reader for a union: a value of a plain type stays as it is, and the other type reads the rest."""
    plain = {choice for choice in choices if choice in _PLAIN}
    others = [choice for choice in choices if choice not in plain]
    whole = _slowly(wanted)
    exact = frozenset(plain - {dict})
    read_other = _make(others[0], made) if len(others) == 1 and plain <= {type(None)} else whole

    def read(value: Any) -> Any:
        return value if type(value) in exact else read_other(value)

    return read
