"""Read the rows of a damaged copy, and go on behind what does not read."""

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

    Where reading stops, it goes on one key further, so a bad page costs the rows on it and no others. ``copy`` is
    not complete then.
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
            # A page of rows is passed one by one; what is still unreadable then is a whole part of the tree.
            start += 1 << max(0, missed - _PATIENCE)
        else:
            return


def rows_by_job(
    copy: Copy | AttemptLog, connection: sqlite3.Connection, statement: str, totals: Mapping[str, int]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield (job, row) for the chunks of these jobs, whose numbers of chunks are ``totals``.

    ``statement`` selects the rows of a job from a chunk on, chunk first, and takes the two in this order.
    """
    for job_id, total in totals.items():

        def fetch(key: int, job_id: str = job_id) -> Iterator[tuple[Any, ...]]:
            return connection.execute(statement, (job_id, key))

        for row in rows(copy, fetch, 0, total - 1):
            yield job_id, row
