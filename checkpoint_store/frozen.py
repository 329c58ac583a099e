"""JSON collections that cannot be changed, yet equal, print and pickle like plain ones."""

from __future__ import annotations

from typing import Any, NoReturn


def _refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError(f"{type(self).__name__} is part of a snapshot and cannot be changed; make a copy with thaw()")


class FrozenDict(dict[str, Any]):
    """A dict without the means to change it."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through the constructor, since items cannot be set."""
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list without the means to change it."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through the constructor, since items cannot be appended."""
        return FrozenList, (list(self),)


def freeze(value: Any) -> Any:
    """Return ``value`` (a JSON value) with every dict and list in it frozen."""
    if isinstance(value, FrozenDict | FrozenList):
        return value
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """Return ``value`` with every dict and list in it plain again: the inverse of :func:`freeze`."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value
