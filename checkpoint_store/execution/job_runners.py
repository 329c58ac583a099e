"""The runners of a job, and the release of the chunks of a runner that was stopped for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.job_frames import JobFrames

if TYPE_CHECKING:
    from checkpoint_store.model.records import RunnerRecord


class JobRunners(JobFrames):
    """The part of :class:`Job` that is about its runners. Safe to share between threads."""

    def runners(self) -> list[RunnerRecord]:
        """Return the runners of this job that have not ended, as far as the store knows, by number. Reads only."""
        return self._context.reading.runners.of_job(self.job_id)

    def release_runner(self, runner: int) -> int:
        """Give the chunks that a runner has in hand to the others, and return how many. Durable when this returns.

        Use this for a runner whose process was stopped, or whose container was paused, for good: its chunks stay
        claimed otherwise. A killed runner needs no release. The risk: if the process goes on after all, the chunks that
        it has in hand may be paid for twice. It starts no other chunk: its loop ends with ``RunnerReleased``.

        Args:
            runner: the number of the runner, as :meth:`runners` says.

        Raises:
            InvalidArgumentError: no such runner is at work on this job.
        """
        return self._context.storage.claims.runners.release(self.job_id, runner)
