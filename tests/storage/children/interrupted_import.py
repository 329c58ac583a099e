"""Ctrl-C comes while a statement without a prepared text imports SQLAlchemy. The next use of the statement works."""

from __future__ import annotations

import os
import signal
import sys
from importlib.abc import MetaPathFinder
from typing import Any

from checkpoint_store.storage.sql import jobs, select
from checkpoint_store.storage.statements.statement import Statement


class Interrupter(MetaPathFinder):
    """Interrupts the process in the middle of the import, once."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Find nothing."""
        if fullname == "sqlalchemy.sql.selectable":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Interrupter())
statement = Statement(lambda: select(jobs.c.job_id), name="not prepared")
try:
    print(statement.text)
except KeyboardInterrupt:
    print("interrupted")
print(statement.text == "SELECT jobs.job_id \nFROM jobs")
parts = [name.rpartition(".") for name in sys.modules if name.startswith("sqlalchemy.")]
print(sorted(f"{parent}.{name}" for parent, _, name in parts if not hasattr(sys.modules[parent], name)))
