"""The reading verbs about results: each result is verified, and a damaged one is put back from a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkNotCompleted, StoreDamaged
from checkpoint_store.storage.statements import costs as cost_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import totals as total_statements
from checkpoint_store.storage.statements.attempts import reservations
from checkpoint_store.storage.verbs.base import ReadingVerbs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from checkpoint_store.model.money import Cost, JobCosts
    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.records.records import Costs
    from checkpoint_store.storage.verbs.base import SelfHealing

_MISCOUNTED: Final = """
SELECT 1 FROM jobs j
WHERE job_id = ? AND completed_count != (SELECT count(*) FROM completed_chunks c WHERE c.job_id = j.job_id)
"""


class ResultVerbs(ReadingVerbs):
    """The reading verbs about results. Safe to share between threads."""

    def __init__(self, database: AnyDatabase, healing: SelfHealing) -> None:
        super().__init__(database)
        self._healing: Final = healing

    def text(self, job_id: str, index: int) -> str:
        """Return the JSON text of a completed chunk's result; raises as :meth:`text_and_digest` does."""
        return self.text_and_digest(job_id, index)[0]

    def text_and_digest(self, job_id: str, index: int) -> tuple[str, str]:
        """Return the JSON text of a completed chunk's result, and its digest, at one moment.

        Raises:
            ChunkNotCompleted: it is not complete, or was completed without a result.
            StoreDamaged: what is stored is not what was written, and no copy has it.
        """

        def read() -> tuple[str, str]:
            row = self._database.read(result_statements.result_row, job_id, index, self._healing.substitutes)
            text, digest = row or (None, None)
            if digest is None:
                raise ChunkNotCompleted(job_id, index, completed=row is not None)
            return result_statements.verified(self.path, job_id, index, text, digest), digest

        return self._healing.run(read, job_id)

    def digest(self, job_id: str, index: int) -> str | None:
        """Return the digest of a chunk's result; None if the chunk has no result. The quickest read of it."""
        of_chunk = "SELECT digest FROM completed_chunks WHERE job_id = ? AND chunk_index = ?"
        (digest,) = self._database.read_row(of_chunk, (job_id, index)) or (None,)
        return None if digest is None else str(digest)

    def pages(self, job_id: str) -> Iterator[list[tuple[int, str]]]:
        """Yield (index, JSON text) of all results by index, in pages of bounded size; each page is a snapshot.

        Raises:
            StoreDamaged: what is stored is not what was written.
        """

        def read(after: int, limit: int) -> list[tuple[int, str]]:
            rows = self._database.read(result_statements.result_page, job_id, after, limit, self._healing.substitutes)
            return result_statements.verified_page(self.path, job_id, rows)

        yield from result_statements.paged(lambda after, limit: self._healing.run(lambda: read(after, limit), job_id))
        row = self._database.read_row(_MISCOUNTED, (job_id,))
        if row is not None:  # a damaged key ends the list early
            raise StoreDamaged(self.path, "its list of completed chunks is not what was written", job_id=job_id)

    def totals(
        self, job_id: str, keys: tuple[str, ...], *, skip_missing: bool = False, with_carried: bool = True
    ) -> dict[str, int | float]:
        """Return the sum of each field over a job's results: numbers, and texts that are numbers."""
        how = {"skip_missing": skip_missing, "with_carried": with_carried}

        def read(connection: sqlite3.Connection) -> dict[str, int | float]:
            substitutes = self._healing.substitutes
            if substitutes:
                return total_statements.totals_with(connection, job_id, keys, self.path, substitutes, **how)
            return total_statements.totals(connection, job_id, keys, self.path, **how)

        return self._healing.run(lambda: self._database.read(read), job_id)

    def costs_after(self, job_id: str, result_id: int, cost: Cost) -> Costs:
        """Return the costs of the results after a result id (0: all). A caller's function runs between two reads.

        Raises:
            StoreDamaged: a result is no JSON, and no copy has it.
        """
        return self._healing.run(lambda: self._added_up(job_id, result_id, cost, is_own=True), job_id)

    def job_costs(self, job_id: str, cost: Cost) -> JobCosts:
        """Return the costs of a job. A function of the caller's runs between two reads.

        Raises:
            StoreDamaged: a result is missing, or is no JSON, and no copy has it.
        """

        def read() -> JobCosts:
            if not self._healing.substitutes:
                self._database.read(cost_statements.refuse_missing, job_id, self.path)
            own, carried = (self._added_up(job_id, 0, cost, is_own=is_own) for is_own in (True, False))
            return self._database.read(reservations.job_costs, job_id, own, carried)

        return self._healing.run(read, job_id)

    def _added_up(self, job_id: str, result_id: int, cost: Cost, *, is_own: bool) -> Costs:
        substitutes = self._healing.substitutes
        where = cost_statements.readable(cost, substitutes)
        counted: set[int] | None = None
        if not is_own:  # looked for once, and not for each page
            counted = self._database.read(total_statements.paid_once, job_id)

        def page(after: int) -> Sequence[tuple[Any, ...]]:
            return self._database.read(
                cost_statements.page, job_id, after, where, is_own=is_own, substitutes=substitutes
            )

        try:
            return cost_statements.costs_of_pages(page, result_id, where, of=counted)
        except ValueError as error:
            raise StoreDamaged(self.path, "a result is no JSON", job_id=job_id) from error
