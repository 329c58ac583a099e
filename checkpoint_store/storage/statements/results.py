"""Statements about completed chunks and their results."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.records.state_fields import state_from
from checkpoint_store.storage.sql import (
    bindparam,
    chunk_results,
    completed_chunks,
    func,
    literal_column,
    null,
    select,
)
from checkpoint_store.storage.statements import compiled, redos
from checkpoint_store.storage.statements.compiled import at_chunk
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.model.chunks import Span
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.records.records import JobRecord


_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_RESULT_PAGE_BYTES: Final = 1 << 18
"""A page that fits into the cache of a processor: pages of 1 MiB took a fifth longer to read and to write."""
_SNAPSHOT_PAGE_BYTES: Final = 1 << 16
"""The bytes of a page of a long read in one transaction. Other threads have their turn after each page."""
_PAGE_INDICES: Final = 1024
_RESULT_PAGE_ROWS: Final = 500


_IN_JOB: Final[Any] = _C.job_id == bindparam("in_job")
_NOT_TO_REDO: Final[Any] = _IN_JOB, ~redos.is_marked(_C)
"""The condition that a chunk is complete, and not to be done again."""
_BETWEEN: Final[Any] = _IN_JOB, _C.chunk_index >= bindparam("start"), _C.chunk_index < bindparam("stop")

WITHOUT_FINGERPRINT: Final = Statement(
    select(_C.chunk_index).where(_IN_JOB, _C.fingerprint.is_(null())).limit(literal_column("1"))
)
"""Finds a chunk that was completed while its content was not at hand."""
SET_FINGERPRINT: Final = Statement(
    completed_chunks.update().where(*at_chunk(_C), _C.fingerprint.is_(null())).values(fingerprint=bindparam("value"))
)
_COUNT_BETWEEN: Final = Statement(
    select(
        select(func.count()).select_from(completed_chunks).where(*_BETWEEN).scalar_subquery(),
        redos.COMPLETED_BETWEEN,
    )
)
"""Two counts: all completed chunks of a range, and those of them that are to be done again.

They take half of the time of one count that looks for a mark at each completed chunk.
"""
INDICES_BETWEEN: Final = Statement(
    select(_C.chunk_index).where(*_BETWEEN, ~redos.is_marked(_C)).order_by(_C.chunk_index),
    order=("in_job", "start", "stop"),
)
_FIRST_FROM: Final = Statement(
    select(_C.chunk_index)
    .where(*_NOT_TO_REDO, _C.chunk_index >= bindparam("start"))
    .order_by(_C.chunk_index)
    .limit(literal_column("1"))
)
_INDICES: Final = Statement(select(_C.chunk_index).where(_IN_JOB).order_by(_C.chunk_index))
_NARROW_PAGE: Final = Statement(
    select(_C.chunk_index, _C.result_id, _C.digest)
    .where(_IN_JOB, _C.chunk_index > bindparam("after"), _C.digest.is_not(null()))
    .order_by(_C.chunk_index)
    .limit(bindparam("rows"))
)
_RESULT_BY_ID: Final = Statement(select(_R.result, _R.digest).where(_R.result_id == bindparam("id")))
_DIGESTS: Final = Statement(select(_C.chunk_index, _C.digest).where(_IN_JOB))
_RESULT: Final = Statement(
    select(_R.result, _C.digest)
    .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
    .where(*at_chunk(_C))
)


def digests(connection: sqlite3.Connection, job_id: str) -> dict[int, str | None]:
    """Return the digest of each completed chunk's result; None where it was completed without one."""
    return dict(_DIGESTS.run(connection, in_job=job_id).fetchall())


def completed_in(connection: sqlite3.Connection, job_id: str, start: int, stop: int) -> list[int]:
    """Return the completed chunks in ``[start, stop)``, ascending, without chunks that are to be done again.

    If all chunks are complete, this takes no longer than counting them.
    """
    between = {"in_job": job_id, "start": start, "stop": stop}
    completed, marked = _COUNT_BETWEEN.run(connection, **between).fetchone()
    count = completed - marked
    if count == stop - start:
        return list(range(start, stop))
    if count == 0:
        return []
    return [index for (index,) in INDICES_BETWEEN.run(connection, **between)]


def completed_from(connection: sqlite3.Connection, job_id: str, start: int, width: int) -> list[int]:
    """Return the completed indices of the first span of ``width`` chunks, from ``start`` on, that begins with one."""
    (first,) = _FIRST_FROM.run(connection, in_job=job_id, start=start).fetchone() or (None,)
    return [] if first is None else completed_in(connection, job_id, first, first + width)


ResultRow = tuple[int, str | None, str, str | None]
"""(index, text, digest, digest beside the text) of a completed chunk with a result."""
Row = TypeVar("Row", ResultRow, tuple[int, str])
"""A row that begins with the index and the text of a result."""


Substitutes = Mapping[str, str]
"""Texts, by their digest, that copies of the store have of damaged results."""
NONE: Final[Substitutes] = {}


def result_page(
    connection: sqlite3.Connection, job_id: str, after: int, limit: int, substitutes: Substitutes = NONE
) -> list[ResultRow]:
    """Return the completed chunks with a result after an index, in index order."""
    if substitutes:
        return _page_row_by_row(connection, job_id, after, limit, substitutes)
    return compiled.RESULT_PAGE.run(connection, in_job=job_id, after=after, rows=limit).fetchall()


def _page_row_by_row(
    connection: sqlite3.Connection, job_id: str, after: int, limit: int, substitutes: Substitutes
) -> list[ResultRow]:
    """Return a page that may have damaged rows, read row by row."""
    page: list[ResultRow] = []
    for index, result_id, digest in _NARROW_PAGE.run(connection, in_job=job_id, after=after, rows=limit).fetchall():
        page.append((index, *text_of(connection, result_id, digest, substitutes)))
    return page


def text_of(
    connection: sqlite3.Connection, result_id: int, digest: str, substitutes: Substitutes
) -> tuple[str | None, str, str | None]:
    """Return the text of a result, from the store or from a copy, with its digest and the digest beside it."""
    if digest in substitutes:
        return substitutes[digest], digest, digest
    text, beside = _RESULT_BY_ID.run(connection, id=result_id).fetchone() or (None, None)
    if beside is not None and beside in substitutes:  # the other digest is damaged, too, and the sound one counts
        return substitutes[beside], beside, beside
    return text, digest, beside


def verified(path: Path, job_id: str, index: int, text: str | None, *digests: str | None) -> str:
    """Return the text of a stored result if its digests are right; otherwise raise :class:`StoreDamaged`."""
    if text is None:
        raise StoreDamaged(path, "its result is missing", job_id=job_id, chunk_index=index)
    own_digest = result_digest.digest(job_id, index, text)
    for digest in digests:
        if digest != own_digest:
            raise StoreDamaged(path, "its result is not what was stored", job_id=job_id, chunk_index=index)
    return text


def verified_page(path: Path, job_id: str, page: list[ResultRow]) -> list[tuple[int, str]]:
    """Return (index, text) of each result of a page, or raise :class:`StoreDamaged` for the first that is not sound."""
    damaged = result_digest.first_mismatch(job_id, page)
    if damaged is not None:
        index, text, *digests = damaged
        verified(path, job_id, index, text, *digests)
    return [(index, text) for index, text, _, _ in page if text is not None]


def result_row(
    connection: sqlite3.Connection, job_id: str, index: int, substitutes: Substitutes = NONE
) -> tuple[str | None, str | None] | None:
    """Return (text, digest) of one completed chunk, or None where it is not complete."""
    if substitutes:
        for row_index, text, digest, _ in _page_row_by_row(connection, job_id, index - 1, 1, substitutes):
            if row_index == index:
                return text, digest
    row: tuple[str | None, str] | None = _RESULT.run(connection, in_job=job_id, at_index=index).fetchone()
    return row


ResultKey = tuple[int, int, str]
"""(index, number, digest) of a result. Numbers grow as results are recorded."""


def result_keys(connection: sqlite3.Connection, job_id: str) -> Iterator[list[ResultKey]]:
    """Yield the keys of all results of a job, in index order, in pages. No result is read."""
    cursor = _NARROW_PAGE.run(connection, in_job=job_id, after=-1, rows=-1)
    while page := cursor.fetchmany(_PAGE_INDICES):
        yield page


def indices_without_result(connection: sqlite3.Connection, record: JobRecord, with_result: int) -> Iterator[list[int]]:
    """Yield every index that was completed without a result, in pages; ``with_result`` chunks have a result."""
    if with_result < record.completed_count:
        yield from _index_pages(connection, compiled.WITHOUT_RESULT, record)


def is_complete(connection: sqlite3.Connection, job_id: str, index: int) -> bool:
    """Return whether a chunk is complete, and not to be done again."""
    return compiled.IS_COMPLETED.run(connection, in_job=job_id, at_index=index).fetchone() is not None


def indices_with_result(connection: sqlite3.Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index that has a result, ascending, in pages."""
    if record.completed_count:
        yield from _index_pages(connection, compiled.WITH_RESULT, record)


def _index_pages(connection: sqlite3.Connection, statement: Statement, record: JobRecord) -> Iterator[list[int]]:
    cursor = statement.run(connection, in_job=record.job_id)
    while page := cursor.fetchmany(_PAGE_INDICES):
        yield [index for (index,) in page]


def state_of(connection: sqlite3.Connection, record: JobRecord, texts: Sequence[str]) -> ProcessingState:
    """Return a whole job as a state, from the snapshot that ``connection`` sees; ``texts`` are all of its results."""
    completed = [index for page in indices_with_result(connection, record) for index in page]
    completed += [index for page in indices_without_result(connection, record, len(completed)) for index in page]
    results = [json_text.decode(text) for text in texts]
    to_redo = redos.indices(connection, record.job_id) if record.redo_count else []
    return state_from(record, completed=completed, results=results, to_redo=to_redo)


EVERY_CHUNK: Final[Iterable[Span]] = ((0, sys.maxsize),)


def result_texts(
    connection: sqlite3.Connection,
    job_id: str,
    path: Path,
    substitutes: Substitutes = NONE,
    spans: Iterable[Span] = EVERY_CHUNK,
) -> Iterator[list[str]]:
    """Yield the stored texts of all results, in index order, verified, in bounded pages.

    ``spans``: of these chunks only, each of which has a result. They may be in any order.
    """
    for start, stop in spans:

        def fetch(after: int, limit: int, stop: int = stop) -> list[ResultRow]:
            rows = min(limit, stop - 1 - after)
            return result_page(connection, job_id, after, rows, substitutes) if rows else []

        for page in paged(fetch, _SNAPSHOT_PAGE_BYTES, after=start - 1):
            yield [text for _, text in verified_page(path, job_id, page)]


def paged(
    fetch: Callable[[int, int], list[Row]], size_bytes: int = _RESULT_PAGE_BYTES, *, after: int = -1
) -> Iterator[list[Row]]:
    """Yield pages of about ``size_bytes``. ``fetch`` gets the index after which to begin, and the most rows."""
    limit = 16
    while page := fetch(after, limit):
        yield page
        after, *_ = page[-1]
        mean = sum([len(text or "") for _, text, *_ in page]) // len(page) + 1
        limit = max(1, min(_RESULT_PAGE_ROWS, size_bytes // mean))


def indices(connection: sqlite3.Connection, job_id: str) -> Iterator[int]:
    """Yield every completed index, ascending."""
    for (index,) in _INDICES.run(connection, in_job=job_id):
        yield index
