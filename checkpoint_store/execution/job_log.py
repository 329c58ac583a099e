"""What was tried and what was completed of a job, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.job_sums import JobSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.records import AttemptRecord, CompletionRecord


class JobLog(JobSums):
    """The part of :class:`Job` that tells all tries and all completed chunks. Safe to share between threads."""

    def attempts(self) -> Iterator[AttemptRecord]:
        """Yield every try at every chunk, whatever came of it, by chunk and then by number; in bounded memory.

        Unlike :meth:`errors` and its neighbours, which know the last try at a chunk that is not complete.
        """
        yield from self._context.reading.chunks.attempts(self.job_id)

    def completions(self) -> Iterator[CompletionRecord]:
        """Yield when each completed chunk was recorded, and which job paid for it, by index; in bounded memory."""
        yield from self._context.reading.chunks.completions(self.job_id)
