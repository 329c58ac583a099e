"""The check, before a typed result is stored, that reading it gives an equal object."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.model.codec.json_rules import LEAVES
from checkpoint_store.model.codec.readers import as_type

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = "result"
"""The beginning of the paths in errors."""


def is_typed(value: object) -> bool:
    """Whether a value is a dataclass or a pydantic model: reading gives back an object of its class."""
    return not isinstance(value, type) and (dataclasses.is_dataclass(value) or hasattr(value, "model_dump"))


def check_round_trip(value: object, plain: Any) -> None:
    """Refuse a typed value that would not come back equal from its JSON data."""
    try:
        back = as_type(plain, type(value), _ROOT)
    except InvalidResultError as error:
        reason = f"could not be read back: it {error.reason}"
        raise InvalidResultError(reason, path=error.path) from error
    if is_same(value, back):
        return
    different = next(_differences(value, back, _ROOT), None)
    if different is not None:
        reason = "would not come back as it is: JSON, or its class, changes or leaves out a part; return plain data"
        raise InvalidResultError(reason, path=different)


def is_same(value: Any, back: Any) -> bool:
    """Whether two values are equal, and of equal types, for usual types only; False asks for a closer look."""
    kind: Any = type(value)
    if kind is not type(back):
        return False
    if kind in LEAVES:
        return bool(value == back)
    if kind is list or kind is tuple:
        return len(value) == len(back) and all(map(is_same, value, back))
    if kind is dict:
        return value.keys() == back.keys() and all(is_same(item, back[key]) for key, item in value.items())
    names = _fields_of(cast("Any", kind))
    if names is None or getattr(value, "__pydantic_extra__", None) or getattr(value, "__pydantic_private__", None):
        return False
    return all(is_same(getattr(value, name, ...), getattr(back, name, ...)) for name in names)


@lru_cache(maxsize=256)
def _fields_of(kind: Any) -> tuple[str, ...] | None:
    """Return the names of the fields of a dataclass or a pydantic model; None where a class is neither."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(kind.model_fields) if hasattr(kind, "model_fields") else None


def _differences(value: Any, back: Any, path: str) -> Iterator[str]:
    """Yield each place at which the value that was read differs from the stored one."""
    parts: list[tuple[str, Any, Any]] = []
    if is_typed(value):
        if is_alike := type(back) is type(value):
            read = _parts_of(back)
            parts = [(f".{name}", item, read.get(name, ...)) for name, item in _parts_of(value).items()]
    elif isinstance(value, dict):
        if is_alike := isinstance(back, dict) and value.keys() == back.keys():
            parts = [(f"[{key!r}]", item, back[key]) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        if is_alike := isinstance(value, list) is isinstance(back, list) and len(value) == len(back):
            parts = [(f"[{index}]", *pair) for index, pair in enumerate(zip(value, back, strict=True))]
    else:
        is_alike = _is_equal(value, back)
    if not is_alike:
        yield path
    for name, item, read_item in parts:
        yield from _differences(item, read_item, path + name)


def _parts_of(value: Any) -> dict[str, Any]:
    """Return the parts of a typed object: its fields, extra fields and private attributes."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, ...) for field in dataclasses.fields(value)}
    fields = {name: getattr(value, name, ...) for name in type(value).model_fields}
    more = (getattr(value, name, None) for name in ("__pydantic_extra__", "__pydantic_private__"))
    return fields | {name: item for some in more for name, item in (some or {}).items()}


def _is_equal(value: Any, back: Any) -> bool:
    """Whether a leaf is equal; a text may come back as a plain text, and a number as a float."""
    if isinstance(value, str | int | float) and isinstance(back, str | int | float):
        return bool(value == back) and isinstance(value, bool) is isinstance(back, bool)
    try:
        return type(value) is type(back) and bool(value == back)
    except Exception:  # whatever a value of the caller's does there
        return False
