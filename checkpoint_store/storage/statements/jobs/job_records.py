"""Rows of ``jobs``, made into records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.storage.records.records import JobRecord
from checkpoint_store.storage.statements import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READERS: Final = tuple(rows.JOB[name] for name in JobRecord._fields)


def records_of(
    stored_rows: list[tuple[Any, ...]], path: Path, passed_over: list[StoreDamaged] | None = None
) -> list[JobRecord]:
    """Return the records of rows that have the columns of :class:`JobRecord`; each reader reads a whole column.

    ``passed_over``: takes the errors of the rows that cannot be read, and the other records are made.

    Raises:
        StoreDamaged: a value is none that this library writes; the message names job, column and value.
    """
    try:
        stored = zip(*stored_rows, strict=True)
        columns = [rows.read_column(read, column) for read, column in zip(_READERS, stored, strict=False)]
        return list(map(JobRecord._make, zip(*columns, strict=True)))
    except ValueError:  # read again, row by row: the error then names the job and the column
        return list(_one_by_one(stored_rows, path, passed_over))


def _one_by_one(
    stored_rows: list[tuple[Any, ...]], path: Path, passed_over: list[StoreDamaged] | None
) -> Iterator[JobRecord]:
    for row in stored_rows:
        try:
            yield JobRecord(**rows.read_row("jobs", rows.JOB, dict(zip(JobRecord._fields, row, strict=True)), path))
        except StoreDamaged as error:
            if passed_over is None:
                raise
            passed_over.append(error)
