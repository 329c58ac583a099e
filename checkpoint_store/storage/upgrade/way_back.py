"""Say what a way back would lose of the facts that the revisions themselves do not look at.

A revision that has landed is never edited. What a later look found missing in its refusal stands here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.plan import normal_name

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_FIRST_OF_1_3: Final = "fingerprint_rule"
# A fingerprint begins with "2:" if its chunk is or holds an object. Rule 1 read only a part of an object.
_LOSSES: Final = {
    "completed_chunks WHERE fingerprint LIKE '2:%'": (
        "does not identify a chunk by all fields of an object, and job {} has results of such chunks; they would be "
        "paid for again"
    ),
    "completed_chunks WHERE source_differs_in IS NOT NULL": (
        "cannot say that a result was made under other settings than those of its job, and job {} has such results; "
        "they would count as made under its own settings"
    ),
    "attempts WHERE cost IS NOT NULL": (
        "cannot say what a failed attempt cost, and job {} has such costs; they would be lost"
    ),
}
_SHARES_RESULTS: Final = (
    "cannot say which jobs share results, and job {} shares them with an earlier job of its file "
    "(on_change='reuse'); what either of them completes later could be paid for twice"
)


class RefusedError(Exception):
    """A revision would lose data, and is not run."""


@contextmanager
def nothing_lost(connection: sqlite3.Connection) -> Iterator[None]:
    """Raise :class:`RefusedError` if the tables went back behind schema 1.3, which can say more than those before."""
    loss = _loss(connection) if _FIRST_OF_1_3 in _columns(connection) else None
    yield
    left = _columns(connection)  # none, if every table was dropped: a copy of the store keeps all
    if loss is not None and left and _FIRST_OF_1_3 not in left:
        raise RefusedError(f"schema 1.2 {loss}")


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {name for _, name, *_ in connection.execute("PRAGMA table_info(jobs)")}


def _loss(connection: sqlite3.Connection) -> str | None:
    for where, what in _LOSSES.items():
        if row := connection.execute(f"SELECT job_id FROM {where} LIMIT 1").fetchone():  # noqa: S608 - our own names
            return what.format(*row)
    files = set[str]()
    jobs = "SELECT job_id, file_name, looked_number FROM jobs ORDER BY started_at, job_number"
    for job_id, file_name, looked_number in connection.execute(jobs):
        name = normal_name(file_name)
        if looked_number is not None and name in files:
            return _SHARES_RESULTS.format(job_id)
        files.add(name)
    return None
