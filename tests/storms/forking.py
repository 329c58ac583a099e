"""For programs that start once and then fork: a killed run costs milliseconds, not the time of an import.

Importing this imports everything that the library needs, so that no fork has to.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

import alembic.command  # noqa: F401 - see above

import checkpoint_store.storage.recovery.recover
import checkpoint_store.storage.upgrade.migrate
import checkpoint_store.store  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable


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
