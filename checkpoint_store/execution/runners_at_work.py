"""The runners that are at work on a job now."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from checkpoint_store.system.processes import pause_of

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.runner import OwnRunner
    from checkpoint_store.execution.context import StoreContext


class RunnersAtWork:
    """The runners of one job that are alive now, this process's own included. Safe to share between threads."""

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context, self._job_id = context, job_id

    def loop_count(self) -> int:
        """Return how many loops share the limits of the job: own loops, and one for each other runner alive now."""
        own = self._own()
        others = self._context.reading.runners.count(self._job_id, but=own.runner_id)
        return others + max(1, len(own.loop_threads))

    def has_others(self) -> bool:
        """Return whether another runner is at work on the job now. Dead runners are reaped."""
        runners = self._context.storage.claims.runners
        return runners.others_at_work(self._job_id, own_runner_id=self._own().runner_id)

    def stopped(self) -> dict[int, str]:
        """Return why the process of each stopped runner stands still, and what helps, by the number of the runner.

        A process of another host, user or container may be stopped without being known here. Reads only.
        """
        here = socket.gethostname()
        records = self._context.reading.runners.of_job(self._job_id)
        pauses = {
            record.runner: (record.pid, pause_of(record.pid))
            for record in records
            if record.is_alive and record.host == here
        }
        return {
            runner_id: f"process {pid}, which {pause.cause}. {pause.remedy}"
            for runner_id, (pid, pause) in pauses.items()
            if pause is not None
        }

    def _own(self) -> OwnRunner:
        return self._context.claims_of(self._job_id).runner
