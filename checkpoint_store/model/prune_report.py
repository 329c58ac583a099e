"""The request of a prune, and the report of what it deletes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import InvalidArgumentError, counted, size_text

if TYPE_CHECKING:
    from pathlib import Path

_DAYS_MAX: Final = 365_000


class Prunable(NamedTuple):
    """The rows of a store file that a prune deletes."""

    jobs: tuple[str, ...]
    attempts: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """The request of a prune: superseded and complete jobs by number or age, old attempts, unneeded files."""

    keep_last: int | None
    """How many jobs stay, the ones opened last; None: no limit."""
    before: datetime | None
    """Keep what changed after this moment; None: no age limit."""

    @property
    def names_jobs(self) -> bool:
        """Whether any job can go."""
        return self.keep_last is not None or self.before is not None

    def is_old(self, moment: datetime) -> bool:
        """Whether something that was changed last at this moment may go."""
        return self.before is None or moment < self.before


def prune_request(keep_last: object, older_than_days: object) -> PruneRequest:
    """Return the request that the arguments of ``prune`` make.

    Raises:
        InvalidArgumentError: an argument is no number from 0.
    """
    if keep_last is not None and (type(keep_last) is not int or keep_last < 0):
        raise InvalidArgumentError("keep_last", keep_last, "is no number of jobs: a whole number from 0")
    if older_than_days is None:
        return PruneRequest(keep_last, None)
    is_number = isinstance(older_than_days, int | float) and not isinstance(older_than_days, bool)
    if not is_number or not math.isfinite(older_than_days) or not 0 <= older_than_days <= _DAYS_MAX:  # type: ignore[arg-type,operator]
        raise InvalidArgumentError("older_than_days", older_than_days, "is no number of days from 0")
    return PruneRequest(keep_last, datetime.now(UTC) - timedelta(days=float(older_than_days)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class PruneReport:
    """The report of a prune: what it deleted, or in a dry run, what it would delete."""

    jobs: tuple[str, ...]
    """The ids of the jobs, the one opened last first."""
    attempts: int
    """How many attempts: all of these jobs, and the old attempts at complete chunks of other jobs."""
    files: tuple[Path, ...]
    """The files: moved aside by a recovery or a restoring, backups, and a state file that shows one of the jobs."""
    bytes: int
    """The sum of the sizes of the files, and of the results of the jobs as text."""
    dry_run: bool
    """Whether nothing was deleted."""

    def __str__(self) -> str:
        verb = "would delete" if self.dry_run else "deleted"
        jobs, attempts, files = (
            counted(count, noun)
            for count, noun in ((len(self.jobs), "job"), (self.attempts, "attempt"), (len(self.files), "file"))
        )
        return f"{verb} {jobs}, {attempts} and {files}: {size_text(self.bytes)}"
