"""Merge the facts of another store about single chunks, besides results: keys, handles, and redo marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.sql import bindparam, jobs, null
from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements.compiled import insert_into, rows_of_job
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container

_SET_METADATA: Final = Statement(
    jobs.update()
    .where(jobs.c.job_id == bindparam("in_job"), jobs.c.metadata.is_(null()))
    .values(metadata=bindparam("given"))
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
    begun with results that stay out: then ``with_handles`` is False. A handle from before a redo answers no redo: it is
    not added to a chunk that is to be done again, and not kept there.
    """
    its_marks = {mark.chunk_index: mark.asked_at for mark in redos.marks(other, other_job_id)}
    marks = {mark.chunk_index: mark.asked_at for mark in redos.marks(connection, job_id)}
    handles.record(connection, job_id, {index: None for index in its_marks if index in new_chunks}, None)
    for table in ("chunk_keys", *(["chunk_handles"] if with_handles else []), "chunk_redos"):
        stored = rows_of_job(table).run(other, in_job=other_job_id)
        facts = (dict(zip(COLUMNS[table], row, strict=True)) for row in stored)
        if table == "chunk_handles":
            facts = (row for row in facts if marks.get(at := row["chunk_index"]) in (None, its_marks.get(at)))
        if table == "chunk_redos":
            facts = (_renumbered(row, connection, other, job_id) for row in facts if row["chunk_index"] in new_chunks)
        insert_into(table, unless_there=True).run_many(connection, (row | {"job_id": job_id} for row in facts))
    (given,) = rows_of_job("jobs", ("metadata",)).run(other, in_job=other_job_id).fetchone()
    if given is not None:
        _SET_METADATA.run(connection, in_job=job_id, given=given)


def _renumbered(
    row: dict[str, Any], connection: sqlite3.Connection, other: sqlite3.Connection, job_id: str
) -> dict[str, Any]:
    """Return a mark with as many attempts after it as in the other store, whatever their numbers are here."""
    index, after = row["chunk_index"], row["after_attempt"]
    followed = redos.last_attempt(other, row["job_id"], index) - after
    return row | {"after_attempt": max(redos.last_attempt(connection, job_id, index) - followed, 0)}
