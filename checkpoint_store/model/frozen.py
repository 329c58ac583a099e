"""JSON collections that cannot be changed. They equal, print and serialize like a list or dict, and can be hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from checkpoint_store.model.codec.json_rules import LEAVES

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


def _refuse_in_list(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError(
        "a list in a state cannot be changed; change a copy, list(...), or save a state with another list, such as "
        "state.replace(completed_chunks=[*state.completed_chunks, 2])"
    )


def _refuse_in_dict(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError(
        "a dict in a state cannot be changed; change a copy, dict(...), or save a state with another dict, such as "
        'state.replace(config={**state.config, "language": "en"})'
    )


class FrozenDict(dict[str, Any]):
    """A dict without the means to change it. Made by :func:`freeze`.

    Calling the class itself makes a plain dict: ``dataclasses.asdict`` copies a collection by calling its type, and
    what it returns is the caller's to change.
    """

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse_in_dict
    clear = pop = popitem = setdefault = update = _refuse_in_dict

    def __new__(cls, *items: Any) -> dict[str, Any]:  # type: ignore[misc]
        """Return a plain dict; see the class."""
        return dict(*items)

    __init__ = _refuse_in_dict

    def __hash__(self) -> int:  # type: ignore[override]
        """Equal frozen dicts have one hash, so that a state has one."""
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through :func:`frozen_dict`, since items cannot be set."""
        return frozen_dict, (dict(self),)


class FrozenList(list[T]):
    """A list without the means to change it. Made by :func:`freeze`; calling the class makes a plain list."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse_in_list
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse_in_list

    def __new__(cls, items: Iterable[Any] = ()) -> list[Any]:  # type: ignore[misc]
        """Return a plain list; see :class:`FrozenDict`."""
        return list(items)

    __init__ = _refuse_in_list

    def __hash__(self) -> int:  # type: ignore[override]
        """Equal frozen lists have one hash, so that a state has one."""
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through :func:`frozen_list`, since items cannot be appended."""
        return frozen_list, (list(self),)


def frozen_dict(items: dict[str, Any]) -> FrozenDict:
    """Return a frozen dict of items that are frozen themselves."""
    made: FrozenDict = dict.__new__(FrozenDict)
    dict.update(made, items)
    return made


def frozen_list(items: Iterable[T]) -> FrozenList[T]:
    """Return a frozen list of items that are frozen themselves."""
    made: FrozenList[T] = list.__new__(FrozenList)
    list.extend(made, items)
    return made


def freeze(value: Any) -> Any:
    """Return ``value`` (a JSON value) with every dict and list in it frozen, and leaves plain."""
    if type(value) in LEAVES or isinstance(value, FrozenDict | FrozenList):
        return value
    if isinstance(value, dict):
        return frozen_dict({str.__str__(key): freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return frozen_list(map(freeze, value))
    if isinstance(value, str):  # for example a member of an enum: JSON knows only its text
        return str.__str__(value)
    return int(value) if isinstance(value, int) else float(value)


def thaw(value: Any) -> Any:
    """Return ``value`` with every dict and list in it plain again: the inverse of :func:`freeze`."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value
