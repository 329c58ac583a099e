"""The reading verbs about the chunks of a job: which chunks are complete, the attempts at them, and their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.model.chunks import key_from, spellings
from checkpoint_store.storage.statements import chunks as chunk_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.attempts import attempt_log
from checkpoint_store.storage.statements.compiled import IS_COMPLETED
from checkpoint_store.storage.statements.rows import KEY, read_row
from checkpoint_store.storage.verbs.base import ReadingVerbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.chunks import Key
    from checkpoint_store.model.money import ChunkAccount
    from checkpoint_store.model.records import AttemptRecord, ChunkRecord, CompletionRecord

_CHUNKS_AT_ONCE: Final = 4096


class ChunkVerbs(ReadingVerbs):
    """The reading verbs about chunks. Safe to share between threads."""

    def completed_in(self, job_id: str, start: int, stop: int) -> list[int]:
        """Return the completed chunks of ``[start, stop)``, ascending."""
        return self._database.read(result_statements.completed_in, job_id, start, stop)

    def completed_from(self, job_id: str, start: int) -> list[int]:
        """Return the next completed chunks from an index on, ascending: at most a few thousand, none at the end.

        The time depends on the number of completed chunks, not on the number of chunks of the job.
        """
        return self._database.read(result_statements.completed_from, job_id, start, _CHUNKS_AT_ONCE)

    def completed_pages(self, job_id: str, total_chunks: int) -> Iterator[tuple[range, list[int]]]:
        """Yield every range of a few thousand chunks, with those of them that are complete, ascending."""
        for start in range(0, total_chunks, _CHUNKS_AT_ONCE):
            page = range(start, min(start + _CHUNKS_AT_ONCE, total_chunks))
            yield page, self.completed_in(job_id, page.start, page.stop)

    def is_completed(self, job_id: str, index: int) -> bool:
        """Whether a chunk is complete; the quickest read of it."""
        return self._database.read_row(IS_COMPLETED.text, (job_id, index)) is not None

    def last_attempts(self, job_id: str, *outcomes: str) -> list[ChunkRecord]:
        """Return the last try at each incomplete chunk whose last try has one of these outcomes, by index."""
        return self._database.read(attempt_log.latest, job_id, self.path, outcomes=outcomes)

    def accounts(self, job_id: str) -> dict[int, ChunkAccount]:
        """Return the tries, time and cost of each chunk that was tried or carried over, by index."""
        return self._database.read(chunk_statements.accounts, job_id)

    def attempts(self, job_id: str) -> Iterator[AttemptRecord]:
        """Yield every attempt of a job by chunk and number, in bounded memory; a few thousand are one snapshot."""
        after: tuple[int, int] | None = (-1, 0)
        while after is not None:
            records, after = self._database.read(chunk_statements.attempt_page, job_id, self.path, after)
            yield from records

    def completions(self, job_id: str) -> Iterator[CompletionRecord]:
        """Yield every completed chunk of a job by index, in bounded memory; a few thousand are one snapshot."""
        after = -1
        while True:
            records = self._database.read(chunk_statements.completion_page, job_id, self.path, after)
            yield from records
            if len(records) < chunk_statements.PAGE_ROWS:
                return
            after = records[-1].chunk_index


class KeyVerbs(ReadingVerbs):
    """The reading verbs about keys. Safe to share between threads."""

    def has_any(self, job_id: str) -> bool:
        """Return whether any chunk of a job has a key."""
        return self._database.read_row(chunk_statements.HAS_KEYS.text, (job_id,)) is not None

    def at(self, job_id: str, index: int) -> Key | None:
        """Return the key of a chunk; None if the chunk has no key."""
        (stored,) = self._database.read_row(chunk_statements.KEY_AT.text, (job_id, index)) or (None,)
        return None if stored is None else self._key(job_id, index, stored)

    def index_of(self, job_id: str, key: Key) -> int | None:
        """Return the chunk that has a key; None if no chunk has it. A chunk with this very spelling comes first."""
        matches = (self._database.read_row(chunk_statements.INDEX_OF.text, (job_id, form)) for form in spellings(key))
        return next((int(index) for (index,) in filter(None, matches)), None)

    def all_of(self, job_id: str) -> dict[int, Key]:
        """Return the key of each chunk that has one, by index."""
        stored_keys = self._database.read(chunk_statements.all_of, job_id)
        return {index: self._key(job_id, index, stored) for index, stored in stored_keys}

    def _key(self, job_id: str, index: int, stored: object) -> Key:
        row = read_row("chunk_keys", KEY, {"chunk_index": index, "key": stored}, self.path, job_id)
        return key_from(row["key"])
