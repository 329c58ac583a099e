"""Salvage a store file row by row, however damaged it is."""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, deleted_jobs, has_foreign_journal, is_own, open_copy
from checkpoint_store.storage.connection import wal_frames
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.records.open_requests import Source
from checkpoint_store.storage.recovery.salvage.chunk_rows import read_attempts, read_facts
from checkpoint_store.storage.recovery.salvage.copies import (
    UNKNOWN_TIME,
    Chunk,
    Copy,
    misnamed_columns,
    rows,
    rows_by_job,
    select_from,
    unreadable_in,
)
from checkpoint_store.storage.recovery.salvage.new_store import NewStore, lacks_beginning, put_schema
from checkpoint_store.storage.recovery.salvage.schema import foreign_names, with_whole_schema
from checkpoint_store.storage.statements.rows import COLUMNS, COMPLETED, JOB
from checkpoint_store.system.files import create_private, temporary_path

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


JOB_COLUMNS: Final = COLUMNS["jobs"]
_COMPLETED: Final = tuple(COMPLETED)
_NAME: Final = "the store file"
"""What a report calls the store file among its copies."""
_SOUND_PAGES: Final = f"{_NAME} and the sound pages of its WAL"
_SCHEMA: Final = f"{_NAME} with the schema of a new store"
_JOBS_MAX: Final = 100_000
_COUNTS: Final = frozenset({"completed_count", "total_chunks"})
IN_PLACE_OF_UNREAD: Final[dict[str, Any]] = {
    "status": JobStatus.RUNNING.value,  # becomes completed where nothing is left
    "file_name": "",
    "completed_count": 0,
    "config": "{}",
    "started_at": UNKNOWN_TIME,
    "updated_at": UNKNOWN_TIME,
    "stretch_started_at": UNKNOWN_TIME,
    "stretch_completed_count": 0,
    "is_current": 0,
    "fingerprint_rule": 1,
    "sequential": 0,
}
"""The neutral values of the row of a job, for columns that no copy has; null for all other columns."""


def read_store(path: Path, make_new_store: Callable[[], NewStore]) -> list[Copy]:
    """Return the readable content of the store file at ``path``, which no one has open, best first. Changes nothing.

    A WAL or journal that is not its own (from another time, or another store) spoils a sound file: then the copy
    of the file alone goes first. What the WAL has is read by itself, too: it may be all that is left of a file that
    another one replaced.
    """
    alone = read_copy(path, _NAME)
    files = StoreFiles(path)
    wal = files.wal
    if not alone.complete and lacks_beginning(path):
        return [*_with_frames(path, wal, _SOUND_PAGES, base=make_new_store().pages), alone]
    if wal_frames.broken_inside(wal):
        return [*_with_frames(path, wal, _SOUND_PAGES), alone]
    if not has_bytes(wal) and not has_bytes(files.journal):
        return [alone] if alone.complete else [alone, *_with_frames(path, wal, _SCHEMA, schema_of=make_new_store())]
    apart = temporary_path(path)
    its = StoreFiles(apart)
    try:
        for source, part in ((path, apart), (wal, its.wal), (files.journal, its.journal)):
            if source == path or has_bytes(source):
                create_private(part)
                shutil.copyfile(source, part)
        together = read_copy(apart, _NAME, how="mode=rw")
        if has_foreign_journal(path) or not is_own(path, apart, "mode=rw"):
            alone.name = f"{_NAME} without its WAL"
            name = "the sound pages of its WAL"
            of_wal = _with_frames(None, wal, name, base=make_new_store().pages) if has_bytes(wal) else []
            copies = [alone, together, *of_wal]
        else:
            copies = [together]
    except OSError:  # no room for a copy
        copies = [alone]
    finally:
        its.remove()
    return copies if copies[0].complete else [*copies, *_with_frames(path, wal, _SCHEMA, schema_of=make_new_store())]


def _with_frames(
    path: Path | None, wal: Path, name: str, *, base: bytes = b"", schema_of: NewStore | None = None
) -> list[Copy]:
    """Return the readable content of a file with every sound page of its WAL, also of pages behind a broken page.

    ``base``: see :func:`.wal_frames.apply`. ``schema_of``: read it with the schema of this new store. The list is empty
    if that schema does not fit, or there is no room for a copy.
    """
    apart = temporary_path(path or wal)
    try:
        create_private(apart)
        wal_frames.apply(path, wal, apart, base=base)
        copies = [read_copy(apart, name)] if schema_of is None or put_schema(schema_of, apart) else []
    except OSError:
        return []
    finally:
        with suppress(OSError):
            os.unlink(apart)
    for copy in copies:
        copy.complete = copy.complete and not base
    return copies


def read_copy(path: Path, name: str, *, how: str = ALONE) -> Copy:
    """Return the readable content of the store file at ``path``, by itself or with its WAL; empty if nothing reads."""
    copy = Copy(name)
    try:
        with with_whole_schema(path, how) as whole, closing(open_copy(whole, how)) as connection:
            with suppress(*UNREADABLE):
                copy.foreign = foreign_names(connection)
            copy.deleted = deleted_jobs(connection)
            _read_jobs(connection, copy)
            totals = {job_id: values["total_chunks"] for job_id, values in copy.jobs.items()}
            _read_results(connection, copy, _read_completed(connection, copy, totals))
            copy.attempt_log = read_attempts(connection, totals)
            read_facts(connection, copy, totals)
    except UNREADABLE:
        copy.complete = False
    return copy


def _read_jobs(connection: sqlite3.Connection, copy: Copy) -> None:
    statement = f"{select_from(connection, 'jobs')} WHERE job_number >= ? ORDER BY job_number"
    last = _top(connection, "jobs", _JOBS_MAX)
    misnamed = misnamed_columns(connection)
    indexed = _indexed_ids(connection)
    connection.text_factory = _text_or_bytes
    for row in rows(copy, lambda key: connection.execute(statement, (key,)), 0, last):
        values = dict(zip(JOB_COLUMNS, row, strict=True))
        other_id = indexed.get(values["job_number"])
        if other_id is not None and other_id not in copy.jobs and not _chunks_seen(connection, values["job_id"]):
            values["job_id"] = other_id
        unread = unread_in(values) | misnamed
        if unread:
            copy.complete = False
        if "job_id" not in unread:
            seen = _chunks_seen(connection, values["job_id"]) if unread & _COUNTS else 0
            if "total_chunks" not in unread and seen > values["total_chunks"]:  # of the two counts, this one is damaged
                unread |= {"total_chunks"}
            values |= {name: IN_PLACE_OF_UNREAD.get(name) for name in unread}
            if "total_chunks" in unread:
                values["total_chunks"] = seen
            copy.jobs[values["job_id"]], copy.unread[values["job_id"]] = values, unread
    connection.text_factory = str


def _indexed_ids(connection: sqlite3.Connection) -> dict[int, str]:
    """Return the ids that have completed chunks, by the number of the job, as the index of the ids has them.

    Where the index and the row of a job differ, one of them is damaged: the id that the chunks have is the right one.
    """
    with suppress(*UNREADABLE):
        # By these columns and this order, SQLite reads the index alone.
        in_order = connection.execute("SELECT job_number, job_id FROM jobs ORDER BY job_id")
        return {number: its for number, its in in_order if isinstance(its, str) and _chunks_seen(connection, its)}
    return {}


def _chunks_seen(connection: sqlite3.Connection, job_id: Any) -> int:
    """Return the least number of chunks of a job: its chunks up to the last completed one."""
    with suppress(*UNREADABLE):
        seen = connection.execute("SELECT max(chunk_index) + 1 FROM completed_chunks WHERE job_id = ?", (job_id,))
        (count,) = seen.fetchone()
        return int(count or 0)
    return 0


def _text_or_bytes(raw: bytes) -> str | bytes:
    """Return a text, or its bytes where they are no UTF-8: the rest of its row is worth reading."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def unread_in(values: dict[str, Any]) -> frozenset[str]:
    """Return the names of the values that cannot be in a row of ``jobs``."""
    unread = unreadable_in(JOB, values)
    if not unread & _COUNTS and values["completed_count"] > values["total_chunks"]:
        unread.add("completed_count")
    return frozenset(unread)


def _top(connection: sqlite3.Connection, table: str, otherwise: int) -> int:
    with suppress(*UNREADABLE):
        (rowid,) = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()  # noqa: S608 - our own names
        return int(rowid or 0)
    return otherwise


def _read_completed(
    connection: sqlite3.Connection, copy: Copy, totals: Mapping[str, int]
) -> dict[Any, tuple[str, int]]:
    """Read the completed chunks without their results. Return the chunk of each result, by the id of the result."""
    linked: dict[Any, tuple[str, int]] = {}
    names = (*_COMPLETED[1:], "result_id")
    for job_id, (*row, result_id) in rows_by_job(copy, connection, "completed_chunks", names, totals):
        values = dict(zip(_COMPLETED, row, strict=True))
        unread = unreadable_in(COMPLETED, values)
        copy.complete = copy.complete and not unread
        linked[result_id] = job_id, row[0]
        index, at, fingerprint, digest, *source, answers = (values | dict.fromkeys(unread)).values()
        chunk = copy.chunk(job_id, index, at or UNKNOWN_TIME)
        source_job_id, _, differs_in = source
        chunk.fingerprint, chunk.digest = fingerprint, digest
        chunk.source, chunk.answers = None if source_job_id is None else Source(*source), answers
        chunk.differs_in = differs_in if source_job_id is None else None
        chunk.listed = True
    return linked


def _read_results(connection: sqlite3.Connection, copy: Copy, linked: Mapping[Any, tuple[str, int]]) -> None:
    statement = (
        "SELECT rowid, job_id, chunk_index, result, digest FROM chunk_results NOT INDEXED "
        "WHERE rowid >= ? ORDER BY rowid"
    )
    likely = sum(values["completed_count"] for values in copy.jobs.values()) * 2 + 20_000
    top = _top(connection, "chunk_results", likely)
    doubtful: list[tuple[Chunk, str, str]] = []
    for result_id, *own, text, beside in rows(copy, lambda key: connection.execute(statement, (key,)), 0, top):
        # Its own columns may be damaged: then the link of the completed chunk tells which chunk it is of.
        link = linked.get(result_id)
        place, digest = tuple(own), _proof(copy, own, text, beside)
        if digest is None and link is not None:
            place, digest = link, _proof(copy, link, text, beside)
        if digest is None:
            copy.complete = False
            continue
        job_id, index = place
        chunk = copy.chunk(job_id, index, copy.jobs.get(job_id, {}).get("updated_at", ""))
        if chunk.digest in (None, digest) or place == link:
            chunk.text, chunk.digest = text, digest
        else:
            doubtful.append((chunk, text, digest))
    if doubtful:
        _take_doubtful(copy, doubtful)


def _take_doubtful(copy: Copy, doubtful: Iterable[tuple[Chunk, str, str]]) -> None:
    """Take results whose chunk has another digest, and links to another row.

    Such a result was replaced, and its chunk has a newer one that is lost; unless the digest of the chunk is that of
    another chunk, whose row has a damaged number.
    """
    digests = {chunk.digest for chunks in copy.chunks.values() for chunk in chunks.values() if chunk.text is not None}
    for chunk, text, digest in doubtful:
        if chunk.text is None and chunk.digest in digests:
            chunk.text, chunk.digest = text, digest
        else:
            copy.complete = False


def _proof(copy: Copy, place: Sequence[Any], text: Any, beside: Any) -> str | None:
    """Return the digest that proves that a text is the result of the chunk at ``place`` (job, index), or None."""
    job_id, index = place
    if not isinstance(text, str) or not isinstance(index, int) or not isinstance(job_id, str):
        return None
    known = copy.chunks.get(job_id, {}).get(index)
    digest = result_digest.digest(job_id, index, text)
    return digest if digest in (beside, known and known.digest) else None
