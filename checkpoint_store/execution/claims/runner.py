"""The runner that this process is in the store: registered, alive, and missed when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.runner_lock import BegunAttempts, reap, runner_lock_path, runner_lock_paths
from checkpoint_store.storage.statements import attempts as attempt_statements
from checkpoint_store.storage.statements import runners as runner_statements

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.connection.database import Database

_TRUST_SECONDS: Final = 0.1
"""For so long a runner that was seen alive is taken to be."""


def _has_ended(connection: sqlite3.Connection, store: Path, runner_id: int, lock_file: str | None) -> bool:
    """Whether a runner is gone; then that is recorded, and which of its chunks are in doubt."""
    words = BegunAttempts(None) if lock_file is None else reap(runner_lock_path(store, lock_file))
    if words is not None:
        attempt_statements.end_runner(connection, runner_id, begun=words.begun, counted=True)
    return words is not None


def miss_the_dead(database: Database) -> None:
    """Record the end of runners that were killed, of any job, and remove what they left behind."""
    signs = runner_lock_paths(database.path)
    if not signs:
        return

    def work(connection: sqlite3.Connection) -> None:
        for runner in runner_statements.runners_at_work(connection):
            _has_ended(connection, database.path, runner.runner_id, runner.lock_file)

    database.write(work)
    for sign in signs:  # of those that were killed before they were recorded
        reap(sign)
