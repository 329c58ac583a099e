"""What can be asked of a store file as a whole: what it holds, whether it is sound, a copy of it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from checkpoint_store.storage import destination
from checkpoint_store.storage.backup import back_up
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.recovery import integrity
from checkpoint_store.storage.self_healing import SelfHealing
from checkpoint_store.storage.statements import jobs as job_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.model.records import Problem


class WholeStore(SelfHealing):
    """The reading verbs about a store file as a whole. Safe to share between threads."""

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has ended."""
        return self._database.closed

    def close(self) -> None:
        """Let go of the file; what was acknowledged is durable already. Closing twice is fine."""
        self._database.close()

    def facts(self) -> dict[str, Any]:
        """Return versions, journal mode, sizes in bytes, and counts of jobs and completed chunks."""
        return {
            "sqlite_version": sqlite3.sqlite_version,
            "read_only": self._database.read_only,
            **self._database.read(job_statements.facts),
            "journal_mode": journal_mode_for(self.path),
        }

    def check(self, on_progress: integrity.OnProgress | None = None) -> list[Problem]:
        """Return what is wrong with the store: structure, references, counts, and the digest of every result."""
        return integrity.check(self._database, on_progress)

    def backup(self, target: Path, state_files: Sequence[Path], *, replace: bool) -> None:
        """Copy the store as it is now to ``target``: verified, durable, 0600 when this returns.

        Raises:
            StoreTargetError: ``target`` is one of the store's files, or something else that is there. Nothing was
                written.
        """
        destination.refuse_own(target, self.path, state_files)
        destination.refuse_to_replace(self._database, target, replace=replace)
        back_up(self._database, target)
