"""Merge the facts of another store about single chunks, besides results: keys, handles, and redo marks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, null, select

from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import Statement
from checkpoint_store.storage.tables import chunk_handles, chunk_keys, chunk_redos, jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container

    from sqlalchemy import Table

_METADATA: Final = Statement(lambda: select(jobs.c.metadata).where(jobs.c.job_id == bindparam("in_job")))
_SET_METADATA: Final = Statement(
    lambda: (
        jobs.update()
        .where(jobs.c.job_id == bindparam("in_job"), jobs.c.metadata.is_(null()))
        .values(metadata=bindparam("given"))
    )
)


def take(
    connection: sqlite3.Connection,
    other: sqlite3.Connection,
    other_job_id: str,
    job_id: str,
    new_chunks: Container[int],
    *,
    with_handles: bool,
) -> None:
    """Add the facts that this store lacks. The facts of this store stay.

    A redo mark goes with its result: only if this merge took the result (``new_chunks``). The work of a handle may have
    begun with results that stay out: then ``with_handles`` is False.
    """
    for table in (chunk_keys, *([chunk_handles] if with_handles else []), chunk_redos):
        names = [column.name for column in table.columns]
        facts = (dict(zip(names, row, strict=True)) for row in _rows(table).run(other, in_job=other_job_id))
        if table is chunk_redos:
            facts = (_renumbered(row, connection, other, job_id) for row in facts if row["chunk_index"] in new_chunks)
        _add(table).run_many(connection, (row | {"job_id": job_id} for row in facts))
    (given,) = _METADATA.run(other, in_job=other_job_id).fetchone()
    if given is not None:
        _SET_METADATA.run(connection, in_job=job_id, given=given)


def _renumbered(
    row: dict[str, Any], connection: sqlite3.Connection, other: sqlite3.Connection, job_id: str
) -> dict[str, Any]:
    """Return a mark with as many attempts after it as in the other store, whatever their numbers are here."""
    index, after = row["chunk_index"], row["after_attempt"]
    followed = redos.last_attempt(other, row["job_id"], index) - after
    return row | {"after_attempt": max(redos.last_attempt(connection, job_id, index) - followed, 0)}


@cache
def _rows(table: Table) -> Statement:
    return Statement(lambda: select(table).where(table.c.job_id == bindparam("in_job")))


@cache
def _add(table: Table) -> Statement:
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in table.columns}
    return Statement(lambda: table.insert().prefix_with("OR IGNORE").values(values).inline())
