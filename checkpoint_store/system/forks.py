"""Register the at-fork hooks of the whole package here alone, so that they run in a fixed order.

A fork copies each lock as it is, without the thread that would free it. So the child begins anew with every lock.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from itertools import count
from operator import methodcaller
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


class OfOneProcess:
    """An object that cannot be passed to another process."""

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a process that is started anew cannot take the object over."""
        raise TypeError(
            f"a {type(self).__name__} can neither be copied nor pickled: pass the path, and make a new object there"
        )


class ForkAware(OfOneProcess):
    """An object that a child process must not take over as it is. Call :func:`watch` when the object is whole."""

    def before_fork(self) -> None:
        """Come to rest; called in the parent, in the thread that forks."""

    def after_fork(self) -> None:
        """Go on; called in the parent."""

    def forget_in_child(self) -> None:
        """Begin anew, without using or closing anything of the parent's; called in the child."""


is_held_here: Final[Callable[[threading.RLock], bool]] = methodcaller("_is_owned")
"""Whether this thread holds the lock. The lock itself records its owner."""


class _Objects:
    """The objects that :func:`watch` was called with."""

    def __init__(self) -> None:
        self._living: WeakSet[ForkAware] = WeakSet()
        self._begin()

    def _begin(self) -> None:
        self.turn = threading.RLock()
        """Held over a fork: a thread that forks meanwhile would let the objects go on."""
        self._gate = threading.RLock()
        """Held while an object is added, and over a fork once all objects rest: a new object could open a file."""
        self._resting: list[ForkAware] = []

    def add(self, aware: ForkAware) -> None:
        with self._gate:
            self._living.add(aware)

    @property
    def is_forking(self) -> bool:
        """Whether this thread is forking, and has its turn."""
        return is_held_here(self.turn)

    def rest(self) -> None:
        """Let every object come to rest, also the objects that other threads add meanwhile."""
        while True:
            self._gate.acquire()
            active = set(self._living).difference(self._resting)
            if not active:
                return
            self._gate.release()
            for aware in active:
                self._resting.append(aware)
                aware.before_fork()

    def go_on(self) -> None:
        """Let every object go on. Calling this again lets the objects go on that a first call left at rest."""
        if is_held_here(self._gate):  # else an object did not come to rest
            self._gate.release()
        while self._resting:
            self._resting[-1].after_fork()
            self._resting.pop()

    def forget(self) -> None:
        self._begin()
        for aware in list(self._living):
            aware.forget_in_child()


_objects: Final = _Objects()


def watch(aware: ForkAware) -> None:
    """Tell ``aware`` of every fork while it lives. Wait for the end of a fork that is under way."""
    _objects.add(aware)


@dataclass(slots=True)
class _Fork:
    """A fork that is under way in this thread."""

    place: int
    """The place of the ``before`` that was called last, among all that are registered: Python calls them backwards."""
    is_outermost: bool
    """False for a fork in a signal handler that runs during another fork: the objects rest for that one already."""


class _Forks(threading.local):
    """The forks that are under way in this thread, the innermost last."""

    def __init__(self) -> None:
        self.under_way: list[_Fork] = []


_forks: Final = _Forks()
_places: Final = count()


def _before(place: int) -> None:
    under_way = _forks.under_way
    if under_way and place < under_way[-1].place:  # registered twice, see come_first(): this fork has begun
        under_way[-1].place = place
        return
    fork = _Fork(place, is_outermost=not _objects.is_forking)
    under_way.append(fork)
    if fork.is_outermost:
        _objects.turn.acquire()
        _call_all(_hooks[order].before for order in sorted(_hooks, reverse=True))


def _in_parent() -> None:
    """Call the hooks, unless an outer fork calls them later, or the first call has called them."""
    if _has_turn():
        _call_all(_hooks[order].after_in_parent for order in sorted(_hooks))
        _objects.turn.release()


def _end_in_parent() -> None:
    try:
        _in_parent()  # a signal may have ended the first call
    finally:
        if _has_turn():  # a hook raised at both calls
            _objects.turn.release()
        if _forks.under_way:
            _forks.under_way.pop()


def _has_turn() -> bool:
    """Whether the objects rest for the innermost fork of this thread."""
    return bool(_forks.under_way) and _forks.under_way[-1].is_outermost and _objects.is_forking


def _in_child() -> None:
    _forks.under_way.clear()
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


at_fork(ForkOrder.OBJECTS, before=_objects.rest, after_in_parent=_objects.go_on, after_in_child=_objects.forget)


def come_first() -> None:
    """Let the objects come to rest before any hook of a package that was imported meanwhile.

    Python calls the hook first that was registered last. A package whose hook keeps threads from its locks would keep a
    thread waiting there that uses an object; and the fork would wait for that thread.
    """
    os.register_at_fork(before=partial(_before, next(_places)))


come_first()
os.register_at_fork(after_in_parent=_in_parent, after_in_child=_in_child)
os.register_at_fork(after_in_parent=_end_in_parent)
