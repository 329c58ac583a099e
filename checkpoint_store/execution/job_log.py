"""The log of a job: all tries and all completed chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.job_sums import JobSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.records import AttemptRecord, CompletionRecord


class JobLog(JobSums):
    """The part of :class:`Job` that lists all tries and all completed chunks. Safe to share between threads."""

    def attempts(self) -> Iterator[AttemptRecord]:
        """Yield every try at every chunk, whatever its outcome, by chunk and then by number; in bounded memory.

        :meth:`errors`, :meth:`failed_chunks` and :meth:`in_doubt_chunks` know only the last try at an incomplete chunk.
        """
        yield from self._context.reading.chunks.attempts(self.job_id)

    def completions(self) -> Iterator[CompletionRecord]:
        """Yield when each completed chunk was recorded, and which job paid for it, by index; in bounded memory."""
        yield from self._context.reading.chunks.completions(self.job_id)
