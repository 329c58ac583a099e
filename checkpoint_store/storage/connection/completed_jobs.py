"""Notice which jobs a completion of this process completes, at no cost for the other completions."""

from __future__ import annotations

from typing import Final


class CompletedJobs:
    """The jobs that a completion completed. A statement of a completion calls an SQL function for the last chunk only.

    A transaction that is rolled back may leave the note of a job that is not completed. So check a noted job.
    """

    def __init__(self) -> None:
        self._committed: set[str] | None = None
        self.noted: Final[list[str]] = []
        """The jobs that the transaction under way has completed."""

    def follow(self) -> set[str]:
        """Return the jobs that commits complete from now on. The caller removes a job once it has acted on it."""
        if self._committed is None:
            self._committed = set()
        return self._committed

    def commit(self) -> None:
        """Note that the transaction was committed. For the thread that holds the lock of the connection."""
        if self._committed is not None:
            self._committed.update(self.noted)
        self.noted.clear()
