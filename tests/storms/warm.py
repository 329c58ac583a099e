"""Programs that start once and then fork: a killed run costs milliseconds, not the time of an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

# Before the first fork, everything is imported and nothing is open.
WARM = """
import json, os, random, resource, signal, sys, threading, time, warnings
import checkpoint_store.store, checkpoint_store.storage.upgrade.migrate, checkpoint_store.storage.recovery.recover, alembic.command
from checkpoint_store import *
from checkpoint_store.storage.connection import pragmas as connect

def forked(work, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        work(*arguments)
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    finally:
        os._exit(2)

def ended(child):
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        sys.exit(f"a forked run ended with {status}")
    return status == signal.SIGKILL
"""


def figures_of(children: Children, source: str | Path, *arguments: object) -> Any:
    """Run a program to its end, however long it takes, and return what its last line says."""
    process = children.start(WARM + source if isinstance(source, str) else source, *arguments)
    output, errors = process.communicate(timeout=3000)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])
