"""Run a program once a line has come: all that it needs is imported by then, so that several begin at the same moment.

argv: the program, and its own arguments.
"""

from __future__ import annotations

import runpy
import sys
from importlib import import_module

if __name__ == "__main__":
    upgrade = "checkpoint_store.storage.upgrade"
    for name in ("alembic.command", f"{upgrade}.migrate", f"{upgrade}.sqlalchemy_connection", "checkpoint_store.store"):
        import_module(name)
    print("ready", flush=True)
    sys.stdin.readline()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
