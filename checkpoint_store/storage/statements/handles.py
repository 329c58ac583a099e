"""Statements about handles, by which a service calls the work that it holds for a chunk."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.sql import (
    attempts,
    bindparam,
    chunk_handles,
    chunk_redos,
    completed_chunks,
    func,
    jobs,
    literal_column,
    null,
    or_,
    select,
    sqlite,
)
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import at_chunk, insert_into, of_same_chunk
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Exists, Select

_C: Final = completed_chunks.c
_H: Final = chunk_handles.c
_HERE: Final[Any] = at_chunk(_H)


def of_chunk_in(table: Any) -> Exists:
    """Return the condition that a table has a row for the chunk of a handle."""
    return select(table.c.chunk_index).where(*of_same_chunk(table.c, _H)).exists()


def of_attempt() -> Exists:
    """Return the condition that the chunk of an attempt has a handle."""
    return select(_H.chunk_index).where(*of_same_chunk(_H, attempts.c)).exists()


def is_left() -> Any:
    """Return the condition that the chunk of a handle is still to be done."""
    return or_(~of_chunk_in(completed_chunks), of_chunk_in(chunk_redos))


def _record() -> sqlite.Insert:
    names = ("job_id", "chunk_index", "handle", "fingerprint", "recorded_at")
    added = sqlite.insert(chunk_handles).values({name: bindparam(name) for name in names}).inline()
    newer = {
        "handle": added.excluded.handle,
        "fingerprint": func.coalesce(added.excluded.fingerprint, _H.fingerprint),
        "recorded_at": added.excluded.recorded_at,
    }
    return added.on_conflict_do_update(index_elements=["job_id", "chunk_index"], set_=newer)


_RECORD: Final = Statement(_record())
LOOK_AT: Final = Statement(
    select(
        select(_H.handle).where(*_HERE).scalar_subquery(),
        select(_C.chunk_index).where(*at_chunk(_C), ~redos.is_marked(_C)).exists(),
    ),
    order=("in_job", "at_index", "in_job", "at_index"),
)
"""Reads the handle of a chunk, and whether the chunk is complete."""
HAS_ANY: Final = Statement(
    select(select(_H.handle).where(_H.job_id == bindparam("in_job")).exists()), order=("in_job",)
)
_ADD: Final = insert_into("chunk_handles")
_OF_JOB: Final = Statement(
    select(_H.chunk_index, _H.fingerprint).where(_H.job_id == bindparam("in_job"), is_left()).order_by(_H.chunk_index)
)
_SAME: Final = chunk_handles.alias()
_ORIGIN: Final = Statement(
    select(_SAME.c.job_id)
    .join_from(chunk_handles, _SAME, (_SAME.c.fingerprint == _H.fingerprint) & (_SAME.c.handle == _H.handle))
    .where(*_HERE)
    .order_by(_SAME.c.recorded_at, _SAME.c.job_id == _H.job_id)
    .limit(literal_column("1"))
)
_FORGET_LEFT: Final = Statement(chunk_handles.delete().where(*_HERE, is_left()))
_SET_FINGERPRINT: Final = Statement(
    chunk_handles.update().where(*_HERE).values(fingerprint=bindparam("new_fingerprint"))
)
_ASKED_AT: Final = select(chunk_redos.c.asked_at).where(*of_same_chunk(chunk_redos.c, _H)).scalar_subquery()


def _outstanding(with_fingerprint: Any) -> Select[Any]:
    return (
        select(_H.job_id, _H.chunk_index, _H.handle, _H.fingerprint, _ASKED_AT)
        .join_from(chunk_handles, jobs, jobs.c.job_id == _H.job_id)
        .where(with_fingerprint, _H.job_id != bindparam("but_job"), is_left())
        .order_by(jobs.c.job_number.desc(), _H.chunk_index)
    )


_IS_KNOWN: Final = _H.fingerprint.is_not(null())
_OUTSTANDING: Final = Statement(_outstanding(_IS_KNOWN))
_EACH: Final = func.json_each(bindparam("fingerprints")).table_valued("value")
_OUTSTANDING_OF: Final = Statement(_outstanding(_H.fingerprint.in_(select(_EACH.c.value))))
_IS_ANY_BEHIND: Final = Statement(
    select(_H.chunk_index).where(_IS_KNOWN).limit(literal_column("1")).offset(bindparam("number"))
)
_FINGERPRINTS_AT_ONCE: Final = 500


class HandleRow(NamedTuple):
    """A handle of a chunk that is not complete, or is to be done again."""

    job_id: str
    chunk_index: int
    handle: str
    fingerprint: str
    redo_asked_at: str | None
    """When the redo was asked for; None if the chunk is not complete."""


def record(
    connection: sqlite3.Connection, job_id: str, fingerprints: Mapping[int, str | None], handle: str | None
) -> None:
    """Record a handle for chunks, by index with their known fingerprints; None clears the handles of the chunks."""
    if handle is None:
        redos.FORGET_HANDLE.run_many(connection, [{"in_job": job_id, "at_index": index} for index in fingerprints])
        return
    common: dict[str, Any] = {"job_id": job_id, "handle": handle, "recorded_at": now()}
    rows = [common | {"chunk_index": index, "fingerprint": fingerprint} for index, fingerprint in fingerprints.items()]
    _RECORD.run_many(connection, rows)


def forget_left(connection: sqlite3.Connection, job_id: str, index: int) -> None:
    """Remove the handle of a chunk of a sequential job that is still to be done: the result before it is another one.

    The service works on the chunk from the earlier result.
    """
    if _FORGET_LEFT.run(connection, in_job=job_id, at_index=index).rowcount:
        log.info("job %s, chunk %d: its handle is removed: its work began with an earlier result", job_id, index)


def add(connection: sqlite3.Connection, job_id: str, given: Iterable[tuple[int, str, str]]) -> None:
    """Add handles (chunk index, handle, fingerprint) to a job whose chunks have none."""
    common: dict[str, Any] = {"job_id": job_id, "recorded_at": now()}
    rows = [
        common | {"chunk_index": at, "handle": handle, "fingerprint": fingerprint} for at, handle, fingerprint in given
    ]
    _ADD.run_many(connection, rows)


def set_fingerprints(connection: sqlite3.Connection, job_id: str, fingerprints: Mapping[int, str]) -> None:
    """Fill in the fingerprints of chunks that have handles."""
    rows = [
        {"in_job": job_id, "at_index": at, "new_fingerprint": fingerprint} for at, fingerprint in fingerprints.items()
    ]
    _SET_FINGERPRINT.run_many(connection, rows)


def origin(connection: sqlite3.Connection, job_id: str, index: int) -> str:
    """Return the job that recorded the handle of a chunk first, as far as the store has that job."""
    (first,) = _ORIGIN.run(connection, in_job=job_id, at_index=index).fetchone() or (job_id,)
    return str(first)


def left_in(connection: sqlite3.Connection, job_id: str) -> dict[int, str | None]:
    """Return the chunks of a job that are to be done and have a handle, by index, with their fingerprints."""
    return dict(_OF_JOB.run(connection, in_job=job_id).fetchall())


def outstanding(
    connection: sqlite3.Connection, fingerprints: Iterable[str], count: int, but_job: str = ""
) -> list[HandleRow]:
    """Return the handles for these chunks that are still to be done, for one chunk those of the newest job first.

    This reads no more rows than there are chunks (``count``), however many handles the store has, and of other chunks.
    The ``fingerprints`` are not asked for if the store has no handle that is outstanding. ``but_job``: leave out its
    handles.
    """
    if _IS_ANY_BEHIND.run(connection, number=count).fetchone() is None:
        every = [HandleRow._make(row) for row in _OUTSTANDING.run(connection, but_job=but_job)]
        wanted = {row.fingerprint for row in every}.intersection(fingerprints if every else ())
        return [row for row in every if row.fingerprint in wanted]
    rows: list[HandleRow] = []
    left = iter(fingerprints)
    while some := list(islice(left, _FINGERPRINTS_AT_ONCE)):
        outstanding_of_these = _OUTSTANDING_OF.run(connection, fingerprints=json_text.encode(some), but_job=but_job)
        rows += map(HandleRow._make, outstanding_of_these)
    return rows
