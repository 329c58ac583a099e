"""The queue of claims that the next transaction frees: a finalizer cannot wait for a transaction of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.storage.statements import attempts

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records import Claim


class Release(NamedTuple):
    """A claim to free."""

    job_id: str
    runner_id: int
    claim: Claim
    begun: bool
    """Whether the work had begun: then the chunk is in doubt. Otherwise the claim leaves no trace."""


class QueuedReleases(deque[Release]):
    """The claims of one store file that wait to be freed. Safe to share between threads; nobody is waited for."""

    def write(self, connection: sqlite3.Connection) -> None:
        """Free the claims in the open transaction, after the checks that may refuse the transaction.

        If the transaction is rolled back all the same, the claims do not return to the queue: the next search of their
        runner finds them. If it was committed after all, a chunk may be claimed again by then, under the same number.
        """
        while self:
            release = self.popleft()
            free = attempts.abandon if release.begun else attempts.release
            free(connection, release.job_id, release.runner_id, release.claim)
