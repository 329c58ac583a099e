"""Turn stored JSON into the caller's own types, strictly: an object of the type, or an error with place and reason."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from inspect import signature
from typing import Any, Final, TypeVar

from checkpoint_store.errors import InvalidResultError

_EXACT: Final = 2**53


def convert(value: Any, wanted: Any, path: str) -> Any:
    """Return a JSON value as ``wanted``, or say where it does not fit; see :func:`.readers.as_type`."""
    wanted = meant_by(wanted)
    if wanted is Any or wanted is object:
        return value
    origin = typing.get_origin(wanted)
    if dataclasses.is_dataclass(origin):
        given = zip(variables_of(origin), typing.get_args(wanted), strict=False)
        return _convert_dataclass(value, origin, path, dict(given))
    if origin is not None:
        return _convert_generic(value, wanted, origin, path)
    return _convert_to_class(value, wanted, path)


def meant_by(wanted: Any) -> Any:
    """Return the type that another name stands for: an alias, a NewType, an annotated type, or a type variable."""
    if isinstance(wanted, TypeVar):
        choices = wanted.__constraints__ or (wanted.__bound__ or Any,)
        return functools.reduce(operator.or_, choices)
    if typing.get_origin(wanted) in (typing.Annotated, typing.Required, typing.NotRequired):
        return meant_by(typing.get_args(wanted)[0])
    other = getattr(wanted, "__supertype__", None) or getattr(wanted, "__value__", None)
    return wanted if other is None or isinstance(wanted, type) else meant_by(other)


def is_type(wanted: Any) -> bool:
    """Return whether a value is a type, or another name or form of a type that :func:`convert` takes."""
    return isinstance(wanted, type) or typing.get_origin(wanted) is not None or meant_by(wanted) is not wanted


def _convert_to_class(value: Any, wanted: Any, path: str) -> Any:
    if typing.is_typeddict(wanted):
        return _convert_typed_dict(value, wanted, path)
    if isinstance(wanted, type):
        if hasattr(wanted, "model_validate"):
            return _convert_model(value, wanted, path)
        if dataclasses.is_dataclass(wanted):
            return _convert_dataclass(value, wanted, path, {})
        if issubclass(wanted, Enum):
            return _convert_enum(value, wanted, path)
    return _convert_plain(value, wanted, path)


def _convert_model(value: Any, wanted: Any, path: str) -> Any:
    computed = getattr(wanted, "model_computed_fields", {})
    if computed and isinstance(value, dict):  # computed fields are stored for people who read plain data
        value = {name: item for name, item in value.items() if name not in computed}
    try:
        return wanted.model_validate(value, **by_name(wanted))
    except Exception as error:
        raise _misfit(path, wanted, str(error) or type(error).__name__) from error


@functools.lru_cache
def by_name(wanted: Any) -> dict[str, bool]:
    """Return pydantic's options to read a model by the names of its fields, not their aliases (pydantic 2.11 on)."""
    return {"by_alias": True, "by_name": True} if "by_name" in signature(wanted.model_validate).parameters else {}


def _convert_typed_dict(value: Any, wanted: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(path, wanted, f"it is {_kind(value)}")
    hints = hints_of(wanted, path)
    # If annotations are text, __required_keys__ does not know NotRequired.
    optional = {name for name, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
    for name in sorted(wanted.__required_keys__ - optional - value.keys()):
        raise _misfit(path, wanted, f"the key {name!r} is missing")
    for name in sorted(value.keys() - hints.keys()):
        raise _misfit(path, wanted, f"it has the key {name!r}, which the type does not have")
    return {name: convert(item, hints[name], f"{path}[{name!r}]") for name, item in value.items()}


def hints_of(wanted: Any, path: str) -> dict[str, Any]:
    """Return the annotations of a class, resolved; an :class:`InvalidResultError` where they cannot be."""
    try:
        return _cached_hints_of(wanted)
    except Exception as error:
        why = f"its annotations cannot be read at run time ({error}); import what they name outside of TYPE_CHECKING"
        raise _misfit(path, wanted, why) from error


@functools.lru_cache
def _cached_hints_of(wanted: Any) -> dict[str, Any]:
    return typing.get_type_hints(wanted, include_extras=True)


def _convert_dataclass(value: Any, wanted: Any, path: str, given: dict[Any, Any]) -> Any:
    """Return JSON data as a dataclass. ``given`` are the types for the type variables of a generic class."""
    if not isinstance(value, dict):
        raise _misfit(path, wanted, f"it is {_kind(value)}")
    fields = {field.name: field for field in dataclasses.fields(wanted)}
    unknown = value.keys() - fields.keys()
    if unknown:
        raise _misfit(path, wanted, f"it has fields that the class does not: {', '.join(sorted(unknown))}")
    hints = {name: with_given(hint, given) for name, hint in hints_of(wanted, path).items()}
    made: dict[str, Any] = {}
    for name, field in fields.items():
        if name in value:
            made[name] = convert(value[name], hints[name], f"{path}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _misfit(path, wanted, f"the field {name!r} is missing")
    late = {name: made.pop(name) for name, field in fields.items() if not field.init and name in made}
    try:
        instance = wanted(**made)
    except Exception as error:
        raise _misfit(path, wanted, f"{type(error).__name__}: {error}") from error
    for name, item in late.items():
        object.__setattr__(instance, name, item)
    return instance


def with_given(hint: Any, given: dict[Any, Any]) -> Any:
    """Return an annotation with the given types in the place of its type variables."""
    if not given:
        return hint
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(variable, variable) for variable in variables)] if variables else hint


def _convert_enum(value: Any, wanted: type[Enum], path: str) -> Enum:
    try:
        member = wanted(value)
    except Exception as error:
        raise _misfit(path, wanted, str(error)) from error
    if member.value == value and type(member.value) is not type(value):  # true is not 1
        raise _misfit(path, wanted, f"it is {value!r}")
    return member


def _convert_generic(value: Any, wanted: Any, origin: Any, path: str) -> Any:
    arguments = typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, wanted, arguments, path)
    if origin is typing.Literal:
        if not any(type(value) is type(choice) and value == choice for choice in arguments):
            raise _misfit(path, wanted, f"it is {value!r}")
        return value
    if not arguments and origin is not tuple:  # typing.List and its like without arguments
        return _convert_plain(value, origin, path)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _misfit(path, wanted, f"it is {_kind(value)}")
        return {
            convert(key, arguments[0], f"{path} key {key!r}"): convert(item, arguments[1], f"{path}[{key!r}]")
            for key, item in value.items()
        }
    if origin in (list, Sequence, tuple):
        return _convert_sequence(value, wanted, origin, path)
    raise _misfit(path, wanted, "this kind of type is not supported; use a dataclass or a pydantic model")


def variables_of(origin: Any) -> tuple[Any, ...]:
    """Return the type variables of a generic class."""
    variables: tuple[Any, ...] = getattr(origin, "__parameters__", ())
    return variables


def _convert_sequence(value: Any, wanted: Any, origin: Any, path: str) -> Any:
    if not isinstance(value, list):
        raise _misfit(path, wanted, f"it is {_kind(value)}")
    arguments = typing.get_args(wanted)
    if origin is not tuple:
        return [convert(item, arguments[0], f"{path}[{index}]") for index, item in enumerate(value)]
    if arguments[1:] == (Ellipsis,):  # tuple[X, ...]
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise _misfit(path, wanted, f"it has {len(value)} items")
    pairs = zip(value, arguments, strict=True)
    return tuple(convert(item, kind, f"{path}[{index}]") for index, (item, kind) in enumerate(pairs))


def _convert_union(value: Any, wanted: Any, choices: tuple[Any, ...], path: str) -> Any:
    reasons: list[str] = []
    # A plain type that fits exactly comes before one that would convert: 1 stays an int in float | int. A dict does
    # not come before a dataclass.
    for choice in sorted(choices, key=lambda choice: type(value) is not choice or choice is dict):
        try:
            return convert(value, choice, path)
        except InvalidResultError as error:
            reasons.append(error.reason)
    raise _misfit(path, wanted, "; ".join(reasons))


def _convert_plain(value: Any, wanted: Any, path: str) -> Any:
    if wanted is None or wanted is type(None):
        if value is None:
            return None
    elif wanted is float and type(value) is int:
        if abs(value) <= _EXACT or value == _float(value):
            return float(value)
    elif wanted is tuple and isinstance(value, list):
        return tuple(value)
    elif isinstance(wanted, type) and _is_instance(value, wanted) and (wanted is bool or type(value) is not bool):
        return value
    raise _misfit(path, wanted, f"it is {_kind(value)}")


def _float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _is_instance(value: object, wanted: type) -> bool:
    try:
        return isinstance(value, wanted)
    except TypeError:  # a TypedDict or a Protocol
        return False


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _misfit(path: str, wanted: Any, why: str) -> InvalidResultError:
    name = wanted.__name__ if isinstance(wanted, type) else str(wanted)
    return InvalidResultError(f"is not of the type {name}: {why}", path=path)
