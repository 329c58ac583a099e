"""The content of one job in one snapshot of the store, read in bounded memory."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from checkpoint_store.model.chunks import IndexList
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.jobs import jobs as job_statements

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.storage.records.records import JobRecord


class JobContent:
    """The content of one job, read on demand from one snapshot. It is valid during :meth:`Reading.with_snapshot`.

    Only the spans of the completed chunks are kept: the text of a state needs the indices three times.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        job_id: str,
        path: Path,
        substitutes: result_statements.Substitutes = result_statements.NONE,
    ) -> None:
        self._connection = connection
        self._job_id = job_id
        self._path = path
        self._substitutes = substitutes
        self._with_result: IndexList | None = None
        """The completed chunks that have a result, once they were read."""

    @cached_property
    def job(self) -> JobRecord:
        """The job's row.

        Raises:
            JobNotFound: the job does not exist.
        """
        return job_statements.find_job(self._connection, self._job_id, self._path)

    def completed_chunks(self) -> Iterator[Sequence[int]]:
        """Yield the index of every completed chunk, in pages: ascending, those with a result first."""
        with_result = 0
        for page in self.chunks_with_result():
            with_result += len(page)
            yield page
        yield from self.chunks_without_result(with_result)

    def chunks_with_result(self) -> Iterator[Sequence[int]]:
        """Yield the index of every completed chunk that has a result, ascending, in pages."""
        if self._with_result is not None:
            yield from self._with_result.pages()
            return
        indices = IndexList()
        for page in result_statements.indices_with_result(self._connection, self.job):
            indices.extend(page)
            yield page
        self._with_result = indices

    def redo_chunks(self) -> list[int]:
        """Return the completed chunks that are to be done again, ascending."""
        return redos.indices(self._connection, self._job_id) if self.job.redo_count else []

    def result_texts(self, chunks: IndexList | None = None) -> Iterator[list[str]]:
        """Yield the JSON texts of the results of chunks, each of which has one, verified, in pages; None: of all.

        Raises:
            StoreDamaged: a stored result is not what was written.
        """
        spans = result_statements.EVERY_CHUNK if chunks is None else chunks.spans()
        return result_statements.result_texts(self._connection, self._job_id, self._path, self._substitutes, spans)

    def result_keys(self) -> Iterator[list[result_statements.ResultKey]]:
        """Yield (index, number, digest) of every result, ascending by index, in pages. No result is read."""
        return result_statements.result_keys(self._connection, self._job_id)

    def chunks_without_result(self, completed_with: int) -> Iterator[list[int]]:
        """Yield the index of every chunk that was completed without a result; ``completed_with`` have one."""
        return result_statements.indices_without_result(self._connection, self.job, completed_with)
