"""How a job's status is changed by its caller: paused, resumed, finished, failed."""

from __future__ import annotations

from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.job_runners import JobRunners
from checkpoint_store.model.records import JobStatus


class JobStatusChanges(JobRunners):
    """The part of :class:`Job` that changes its status. Safe to share between threads."""

    def pause(self) -> None:
        """Pause the job: status ``paused``, and every loop on it, in any process, ends after the chunk in hand."""
        self._execution.change_status(lifecycle.PAUSE)
        self._execution.mark_pauses_known()

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``; loops that were to end go on, if they still do."""
        self._execution.change_status(lifecycle.RESUME)

    def finish(self) -> None:
        """End the job ``completed``.

        Raises:
            JobIncomplete: chunks are left.
        """
        self._execution.change_status(lifecycle.FINISH)

    def fail(self, error: BaseException | str) -> None:
        """End the job ``failed`` with a message (secrets in it are replaced). It can still be resumed."""
        self.set_status(JobStatus.FAILED, error)

    def set_status(self, status: JobStatus, error: BaseException | str | None = None) -> None:
        """Set the status and error message as they are given; the state file is exact when this returns."""
        lifecycle.set_status(self._context, self.job_id, status, error)
