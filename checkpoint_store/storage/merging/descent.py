"""Which of two different results of a chunk was made in the place of the other one, as its completed tries say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import bindparam, select

from checkpoint_store.storage.statements.compiled import Statement
from checkpoint_store.storage.tables import attempts, runners

if TYPE_CHECKING:
    import sqlite3

_A: Final = attempts.c
_W: Final = runners.c
_COMPLETED: Final = Statement(
    lambda: (
        select(_W.lock_file, _A.started_at, _A.cost, _A.replaced_result_id)
        .join_from(attempts, runners, _W.runner_id == _A.runner_id)
        .where(
            _A.job_id == bindparam("in_job"),
            _A.chunk_index == bindparam("at_index"),
            _A.outcome == bindparam("ended_as"),
        )
        .order_by(_A.number)
    )
)


class _Try(NamedTuple):
    """A try that gave a result. Its runner's lock file and its beginning tell it from every other, in any store."""

    lock_file: str
    started_at: str


class History:
    """The tries that gave results for one chunk in one store, by their number."""

    def __init__(self, connection: sqlite3.Connection, job_id: str, index: int) -> None:
        found = _COMPLETED.run(connection, in_job=job_id, at_index=index, ended_as="completed").fetchall()
        self.tries = [_Try(*row[:2]) for row in found]
        self.replaced_costs = {_Try(*row[:2]): row[2] for row in found if row[3] is not None}
        """What the replaced results cost, where that is known."""

    def follows(self, other: History) -> bool:
        """Whether this has the other's tries and a later one, whose result was made in the place of the other's."""
        known = len(other.tries)
        return 0 < known < len(self.tries) and self.tries[:known] == other.tries

    def cost_of_last(self, other: History) -> float | None:
        """Return what this store says that the other store's result cost; None where it does not say."""
        return self.replaced_costs.get(other.tries[-1])
