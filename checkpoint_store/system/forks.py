"""Register the at-fork hooks of the whole package here alone, so that they run in a fixed order.

A fork copies each lock as it is, without the thread that would free it. So the child begins anew with every lock.
"""

from __future__ import annotations

import os
import threading  # noqa: F401 - its hook has to run before ours, which may start a thread in the child
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NoReturn
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ForkOrder(IntEnum):
    """The order of the hooks: before a fork the highest value runs first; after it, in both processes, the lowest."""

    OBJECTS = 0
    """The objects that :func:`watch` was called with: locks, connections, files."""
    SIGNALS = 1
    """Signals are held back while the objects come to rest, and let through once they go on."""
    WORKERS = 2
    """A worker process sets its own signal handlers, after the hooks of ``SIGNALS`` have restored the program's."""


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class _Hook:
    before: Callable[[], None]
    after_in_parent: Callable[[], None]
    after_in_child: Callable[[], None]


_hooks: Final[dict[ForkOrder, _Hook]] = {}


def at_fork(
    order: ForkOrder,
    *,
    before: Callable[[], None] = _nothing,
    after_in_parent: Callable[[], None] = _nothing,
    after_in_child: Callable[[], None] = _nothing,
) -> None:
    """Let these functions be called at each fork of this process, in the thread that forks.

    If a function raises, the other functions are still called. ``after_in_parent`` may be called twice.
    """
    assert order not in _hooks
    _hooks[order] = _Hook(before, after_in_parent, after_in_child)


class ForkAware:
    """An object that a child process must not take over as it is. Call :func:`watch` when the object is whole."""

    def before_fork(self) -> None:
        """Come to rest; called in the parent, in the thread that forks."""

    def after_fork(self) -> None:
        """Go on; called in the parent."""

    def forget_in_child(self) -> None:
        """Begin anew, without using or closing anything of the parent's; called in the child."""

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a process that is started anew cannot take the object over either."""
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: pass the path, and make a new object in that process"
        )


_objects: Final[WeakSet[ForkAware]] = WeakSet()
_resting: Final[list[ForkAware]] = []


def watch(aware: ForkAware) -> None:
    """Tell ``aware`` of every fork while it lives."""
    _objects.add(aware)


def _rest() -> None:
    _resting[:] = list(_objects)
    for aware in _resting:
        aware.before_fork()


def _go_on() -> None:
    while _resting:
        _resting[-1].after_fork()
        _resting.pop()


def _forget() -> None:
    _resting.clear()
    for aware in list(_objects):
        aware.forget_in_child()


def _before() -> None:
    _call_all(_hooks[order].before for order in sorted(_hooks, reverse=True))


def _in_parent() -> None:
    _call_all(_hooks[order].after_in_parent for order in sorted(_hooks))


def _in_child() -> None:
    _call_all(_hooks[order].after_in_child for order in sorted(_hooks))


def _call_all(hooks: Iterable[Callable[[], None]]) -> None:
    left = list(hooks)
    try:
        while True:
            if not left:
                break
            left.pop(0)()
    finally:
        if left:  # a hook raised; Python reports the error, and the other hooks are called all the same
            _call_all(left)


at_fork(ForkOrder.OBJECTS, before=_rest, after_in_parent=_go_on, after_in_child=_forget)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    os.register_at_fork(after_in_parent=_in_parent)  # a signal may have ended the first call of the hook
