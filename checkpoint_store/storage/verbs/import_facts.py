"""The reading verbs about the job of a state file, for the import of the state file at opening."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.verbs.base import ReadingVerbs
from checkpoint_store.storage.verbs.jobs import JobVerbs

if TYPE_CHECKING:
    from checkpoint_store.model.state import ProcessingState


class KnownJob(NamedTuple):
    """The facts of the store about one job."""

    completed_chunks: int | None
    """The number of completed chunks; None if the store does not have the job."""
    updated_at: str
    """The time of the last change; ``""`` if the store does not have the job."""
    was_deleted: bool
    """Whether the job was deleted from the store, and not imported again since."""


class ImportFacts(ReadingVerbs):
    """The facts that decide what an opening does with a state file. Safe to share between threads."""

    def has_jobs(self) -> bool:
        """Return whether the store has a job."""
        return self._database.read_row("SELECT 1 FROM jobs LIMIT 1", ()) is not None

    def known_job(self, job_id: str) -> KnownJob:
        """Return the facts of the store about a job."""
        jobs = JobVerbs(self._database)
        completed = jobs.completed_count(job_id)
        if completed is None:
            return KnownJob(None, "", jobs.was_deleted(job_id))
        return KnownJob(*completed, was_deleted=False)

    def first_contradiction(self, state: ProcessingState) -> int | None:
        """Return the first chunk for which the store has another result than ``state``; None where both agree.

        The store's results are read in pages, so memory stays bounded.

        Raises:
            StoreDamaged: a stored result is not what was written.
        """
        expected, job_id = state.results(), state.job_id

        def page(after: int, limit: int) -> list[result_statements.ResultRow]:
            return self._database.read(
                lambda connection: result_statements.result_page(connection, job_id, after, limit)
            )

        for rows in result_statements.paged(page):
            for index, text in result_statements.verified_page(self.path, job_id, rows):
                if index in expected and thaw(expected[index]) != json_text.decode(text):
                    return index
        return None
