"""What was tried and completed of a job, chunk by chunk, and the runners that are at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.job_reading import JobReading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.records import AttemptRecord, CompletionRecord, RunnerRecord


class JobLog(JobReading):
    """The part of :class:`Job` that tells all tries, completed chunks and runners. Safe to share between threads."""

    def attempts(self) -> Iterator[AttemptRecord]:
        """Yield every try at every chunk, whatever came of it, by chunk and then by number; in bounded memory.

        Unlike :meth:`errors` and its neighbours, which know the last try at a chunk that is not complete.
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

        For a runner whose process was stopped, or whose container was paused, for good: nobody takes its chunks by
        itself. A killed runner needs no release. The risk: where the process goes on after all, the chunks that it has
        in hand may be paid for twice. It starts no other: its loop ends with ``RunnerReleased``.

        Args:
            runner: its number, as :meth:`runners` says.

        Raises:
            InvalidArgumentError: no such runner is at work on this job.
        """
        return self._context.storage.claims.runners.release(self.job_id, runner)
