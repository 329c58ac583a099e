"""The reading verbs about the runners of a job. No runner is reaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.records import RunnerRecord
from checkpoint_store.storage.statements import attempts, liveness, runners
from checkpoint_store.storage.verbs.base import ReadingVerbs

if TYPE_CHECKING:
    import sqlite3


class LivingRunners(ReadingVerbs):
    """The reading verbs about runners. Safe to share between threads."""

    def of_job(self, job_id: str) -> list[RunnerRecord]:
        """Return the runners of a job that have not ended, as far as the store knows, by number."""

        def read(connection: sqlite3.Connection) -> list[RunnerRecord]:
            return [
                RunnerRecord(
                    runner=runner.runner_id,
                    host=runner.host,
                    pid=runner.pid,
                    started_at=runner.started_at,
                    is_exclusive=bool(runner.exclusive),
                    is_alive=liveness.is_alive(self.path, runner),
                    chunks_in_hand=attempts.in_hand(connection, runner.runner_id),
                )
                for runner in runners.runners_at_work(connection, job_id)
            ]

        return self._database.read(read)

    def is_any_alive(self, job_id: str) -> bool:
        """Whether a runner of a job is alive now: the lock that it holds says so."""
        return self._database.read(lambda connection: liveness.is_anyone_at_work(connection, self.path, job_id))

    def count(self, job_id: str, *, but: int | None = None) -> int:
        """Return how many runners (``but`` this one) are at work on a job and alive now. Nothing is reaped."""
        return self._database.read(lambda connection: liveness.living_runners(connection, self.path, job_id, but))
