"""What can be read of a job chunk by chunk: every attempt, and every completed chunk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from checkpoint_store.storage.statements import chunk_pages
from checkpoint_store.storage.whole_store import WholeStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.records import AttemptRecord, CompletionRecord


class ChunkLog(WholeStore):
    """The reading verbs that go through all chunks of a job. Safe to share between threads."""

    def attempts(self, job_id: str) -> Iterator[AttemptRecord]:
        """Yield every attempt of a job by chunk and number, in bounded memory; each few thousand are one snapshot."""
        after: tuple[int, int] | None = (-1, 0)
        while after is not None:
            page = partial(chunk_pages.attempt_page, job_id=job_id, path=self.path, after=after)
            records, after = self._database.read(page)
            yield from records

    def completions(self, job_id: str) -> Iterator[CompletionRecord]:
        """Yield every completed chunk of a job by index, in bounded memory; each few thousand are one snapshot."""
        after = -1
        while True:
            page = partial(chunk_pages.completion_page, job_id=job_id, path=self.path, after=after)
            records = self._database.read(page)
            yield from records
            if len(records) < chunk_pages.PAGE_ROWS:
                return
            after = records[-1].chunk_index
