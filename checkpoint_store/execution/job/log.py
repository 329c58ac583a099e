"""The log of a job: all tries, all completed chunks, and the runners at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.job.sums import JobSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.records import AttemptRecord, CompletionRecord, RunnerRecord


class JobLog(JobSums):
    """The part of :class:`Job` that lists tries, completed chunks and runners. Safe to share between threads."""

    def attempts(self) -> Iterator[AttemptRecord]:
        """Yield every try at every chunk, whatever its outcome, by chunk and then by number; in bounded memory.

        :meth:`errors`, :meth:`failed_chunks` and :meth:`in_doubt_chunks` know only the last try at an incomplete chunk.
        """
        yield from self._context.reading.chunks.attempts(self.job_id)

    def completions(self) -> Iterator[CompletionRecord]:
        """Yield when each completed chunk was recorded, and which job paid for it, by index; in bounded memory."""
        yield from self._context.reading.chunks.completions(self.job_id)

    def runners(self) -> list[RunnerRecord]:
        """Return the runners of this job that have not ended, as far as the store knows, by number. Reads only."""
        return self._context.reading.runners.of_job(self.job_id)

    def release_runner(self, runner: int) -> int:
        """Give the chunks that a runner has in hand to the others, and return how many. Durable when this returns.

        Use this for a runner whose process was stopped, or whose container was paused, for good: its chunks stay
        claimed otherwise. A killed runner needs no release. The risk: if the process goes on after all, the chunks that
        it has in hand may be paid for twice; both calls count then. It starts no other chunk: its loop ends with
        ``RunnerReleased``, unless no chunk is left.

        Args:
            runner: the number of the runner, as :meth:`runners` says.

        Raises:
            InvalidArgumentError: no runner of this number is at work on this job.
        """
        return self._context.storage.claims.runners.release(self.job_id, runner)
