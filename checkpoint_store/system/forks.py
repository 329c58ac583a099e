"""A fork copies locks as they are, and not the threads that would free them. In the child each begins anew."""

from __future__ import annotations

import os
from typing import Final
from weakref import WeakSet


class ForkAware:
    """Has something that a child process must not take over from its parent. Call :func:`watch` when it is whole."""

    def before_fork(self) -> None:
        """Come to rest; called in the parent, in the thread that forks."""

    def after_fork(self) -> None:
        """Go on; called in the parent."""

    def forget_in_child(self) -> None:
        """Begin anew, without using or closing anything of the parent's; called in the child."""


_objects: Final[WeakSet[ForkAware]] = WeakSet()
_resting: Final[list[ForkAware]] = []


def watch(aware: ForkAware) -> None:
    """Tell ``aware`` of every fork while it lives."""
    _objects.add(aware)


def _before() -> None:
    _resting[:] = list(_objects)
    for aware in _resting:
        aware.before_fork()


def _in_parent() -> None:
    while _resting:
        _resting[-1].after_fork()
        _resting.pop()


def _in_child() -> None:
    _resting.clear()
    for aware in list(_objects):
        aware.forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    os.register_at_fork(after_in_parent=_in_parent)  # a signal that came meanwhile may have ended the first one
