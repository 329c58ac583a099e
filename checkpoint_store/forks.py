"""A fork copies locks as they are, and not the threads that would free them. In the child each begins anew."""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet


class Forgets(Protocol):
    """Has something that must not be taken over from a parent process."""

    def forget_in_child(self) -> None:
        """Begin anew, without using or closing anything of the parent's."""


_objects: Final[WeakSet[Forgets]] = WeakSet()


def watch(forgets: Forgets) -> None:
    """Call ``forgets.forget_in_child()`` in every child that is forked while it lives."""
    _objects.add(forgets)


def _after_fork() -> None:
    for forgets in list(_objects):
        forgets.forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
