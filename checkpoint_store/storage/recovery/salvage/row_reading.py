"""Read the rows of a damaged copy, and skip the rows that cannot be read."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.connection.errors import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from checkpoint_store.storage.recovery.salvage.copies import AttemptLog, Copy

_PATIENCE: Final = 512
"""Let this many keys in a row fail to read before the steps grow."""


def rows(
    copy: Copy | AttemptLog, fetch: Callable[[int], Iterator[tuple[Any, ...]]], first: int, last: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows with keys from ``first`` to ``last``; ``fetch(k)`` gives those from key ``k``, key first.

    If a read fails, it continues one key further, so that a bad page costs only its own rows. ``copy`` is then not
    complete.
    """
    start, missed = first, 0
    while start <= last:
        try:
            for row in fetch(start):
                key, *_ = row
                if not isinstance(key, int) or key < start:
                    raise sqlite3.DatabaseError("a key is no number, or out of order")
                start, missed = key + 1, 0
                yield row
        except UNREADABLE:
            copy.complete = False
            missed += 1
            # The rows of a page are passed one by one. If more rows cannot be read, a part of the tree is damaged.
            start += 1 << max(0, missed - _PATIENCE)
        else:
            return


def rows_by_job(
    copy: Copy | AttemptLog, connection: sqlite3.Connection, statement: str, totals: Mapping[str, int]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield (job, row) for the chunks of these jobs, whose numbers of chunks are ``totals``.

    ``statement`` selects the rows of a job from a chunk on, chunk first. Its parameters are the job and that chunk.
    """
    for job_id, total in totals.items():

        def fetch(key: int, job_id: str = job_id) -> Iterator[tuple[Any, ...]]:
            return connection.execute(statement, (job_id, key))

        for row in rows(copy, fetch, 0, total - 1):
            yield job_id, row
