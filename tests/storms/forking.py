"""For programs that start once and then fork: a killed run costs milliseconds, not the time of an import."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LATE: Final = (
    "alembic.command",
    "checkpoint_store.storage.recovery.recover",
    "checkpoint_store.storage.upgrade.migrate",
    "checkpoint_store.store",
)


def import_early() -> None:
    """Import what the library imports when it is needed, so that no fork has to."""
    for name in _LATE:
        import_module(name)


import_early()


def forked(work: Callable[..., object], *arguments: Any) -> int:
    """Do some work in a fork of this process, and return its id."""
    child = os.fork()
    if child:
        return child
    try:
        work(*arguments)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    finally:
        os._exit(2)


def ended(child: int) -> bool:
    """Wait for the end of a fork, and return whether it was killed; end where it failed."""
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        sys.exit(f"a forked run ended with {status}")
    return status == signal.SIGKILL
