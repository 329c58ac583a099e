"""Statements about completed chunks and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, func, select

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.amounts import LONGEST_NUMBER, number_in
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.state import ProcessingState
from checkpoint_store.model.versions import SCHEMA_VERSION
from checkpoint_store.storage.connection.driver import driver_of
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.tables import chunk_results, completed_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store.storage.records import JobRecord


_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_PAGE_BYTES: Final = 1 << 18
"""What a processor's own memory holds: pages of a mebibyte took a fifth longer to read and to write."""
_PAGE_INDICES: Final = 4096
_PAGE_ROWS: Final = 500


def fingerprints(connection: Connection, job_id: str) -> Iterator[tuple[int, str | None]]:
    """Yield (index, fingerprint) of each completed chunk that has a result, in index order."""
    statement = select(_C.chunk_index, _C.fingerprint).where(_C.job_id == job_id, _C.digest.is_not(None))
    for index, fingerprint in connection.execute(statement.order_by(_C.chunk_index)):
        yield index, fingerprint


def lacks_fingerprints(connection: Connection, job_id: str) -> bool:
    """Return whether a chunk of this job was completed while its content was not at hand."""
    statement = select(_C.chunk_index).where(_C.job_id == job_id, _C.fingerprint.is_(None)).limit(1)
    return connection.execute(statement).first() is not None


def set_fingerprints(connection: Connection, job_id: str, pairs: list[dict[str, Any]]) -> None:
    """Fill in fingerprints (``at_index``, ``value``) of chunks that were completed without one."""
    statement = completed_chunks.update().where(
        _C.job_id == job_id, _C.chunk_index == bindparam("at_index"), _C.fingerprint.is_(None)
    )
    connection.execute(statement.values(fingerprint=bindparam("value")), pairs)


def completed_in(connection: Connection, job_id: str, start: int, stop: int) -> list[int]:
    """Return the completed indices in ``[start, stop)``, ascending; all of them as cheaply as a count."""
    here = and_(_C.job_id == job_id, _C.chunk_index >= start, _C.chunk_index < stop)
    count = connection.execute(select(func.count()).select_from(completed_chunks).where(here)).scalar_one()
    if count == stop - start:
        return list(range(start, stop))
    if count == 0:
        return []
    return list(connection.execute(select(_C.chunk_index).where(here).order_by(_C.chunk_index)).scalars())


ResultRow = tuple[int, str | None, str, str | None]
"""(index, text, digest, digest beside the text) of a completed chunk with a result."""


def result_page(connection: Connection, job_id: str, after: int, limit: int) -> list[ResultRow]:
    """Return the completed chunks with a result after an index, in index order."""
    values = compiled.RESULT_PAGE.values(in_job=job_id, after=after, rows=limit, param_1=0)
    return driver_of(connection).execute(compiled.RESULT_PAGE.text, values).fetchall()


def verified(path: Path, job_id: str, index: int, text: str | None, *digests: str | None) -> str:
    """Return a stored result's text if it is what was written, or raise :class:`StoreDamaged`."""
    if text is None:
        raise StoreDamaged(path, "its result is missing", job_id=job_id, chunk_index=index)
    found = result_digest.digest(job_id, index, text)
    for digest in digests:
        if digest != found:
            raise StoreDamaged(path, "its result is not what was stored", job_id=job_id, chunk_index=index)
    return text


def verified_page(path: Path, job_id: str, page: list[ResultRow]) -> list[tuple[int, str]]:
    """Return (index, text) of each result of a page, or raise :class:`StoreDamaged` for the first that is not sound."""
    for index, text, digest, beside in page:
        if text is None or digest != beside or result_digest.digest(job_id, index, text) != digest:
            verified(path, job_id, index, text, digest, beside)
    return [(index, text) for index, text, _, _ in page if text is not None]


def result_row(connection: Connection, job_id: str, index: int) -> tuple[str | None, str | None] | None:
    """Return (text, digest) of one completed chunk, or None where it is not complete."""
    statement = (
        select(_R.result, _C.digest)
        .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
        .where(_C.job_id == job_id, _C.chunk_index == index)
    )
    row = connection.execute(statement).first()
    return None if row is None else (row[0], row[1])


def indices_in_order_of_state(connection: Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index, in pages: those with a result first, so that results can be paired by position."""
    found = 0
    for page in indices_with_result(connection, record):
        found += len(page)
        yield page
    if found < record.completed_count:
        yield from _index_pages(connection, compiled.WITHOUT_RESULT, record)


def totals(connection: Connection, job_id: str, keys: tuple[str, ...]) -> dict[str, int | float]:
    """Return the sum of each field over a job's results: numbers, and texts that are numbers. Others add nothing."""
    sums: dict[str, int | float] = {}
    for key in keys:
        path = '$."' + key + '"'
        value, kind = func.json_extract(_R.result, path), func.json_type(_R.result, path)
        number = case((kind.in_(("integer", "real")), value))
        whole, real = case((func.typeof(number) == "integer", number)), case((func.typeof(number) == "real", number))
        # In halves: SQLite's sum of integers stops at 64 bits.
        high, low = func.sum(whole.op(">>")(32)), func.sum(whole.op("&")(0xFFFFFFFF))
        of_job = completed_chunks.join(chunk_results, _R.result_id == _C.result_id)
        sums_of = select(high, low, func.sum(real)).select_from(of_job).where(_C.job_id == job_id)
        row = connection.execute(sums_of).one()
        integers = ((row[0] or 0) << 32) + (row[1] or 0)
        texts = select(value).select_from(of_job).where(_C.job_id == job_id, kind == "text")
        short = connection.execute(texts.where(func.length(value) <= LONGEST_NUMBER)).scalars()
        written = sum(number for number in map(number_in, short) if number is not None)
        sums[key] = integers + written if row[2] is None else integers + written + row[2]
    return sums


def is_completed(job_id: str, index: int) -> tuple[str, tuple[Any, ...]]:
    """Return the statement (and its values) that finds a completed chunk."""
    return compiled.IS_COMPLETED.text, compiled.IS_COMPLETED.values(in_job=job_id, at_index=index)


def is_complete(connection: Connection, job_id: str, index: int) -> bool:
    """Return whether a chunk is complete."""
    return driver_of(connection).execute(*is_completed(job_id, index)).fetchone() is not None


def indices_with_result(connection: Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index that has a result, ascending, in pages."""
    if record.completed_count:
        yield from _index_pages(connection, compiled.WITH_RESULT, record)


def _index_pages(connection: Connection, statement: compiled.Statement, record: JobRecord) -> Iterator[list[int]]:
    cursor = driver_of(connection).execute(statement.text, (record.job_id,))
    while page := cursor.fetchmany(_PAGE_INDICES):
        yield [index for (index,) in page]


def state_of(connection: Connection, record: JobRecord, texts: Sequence[str]) -> ProcessingState:
    """Return a whole job as a state, from the snapshot that ``connection`` sees; ``texts`` are all of its results."""
    completed = [index for page in indices_in_order_of_state(connection, record) for index in page]
    results = [json_text.decode(text) for text in texts]
    return ProcessingState(
        version=SCHEMA_VERSION,
        job_id=record.job_id,
        status=record.status,
        file_name=record.file_name,
        video_title=record.video_title,
        model=record.model,
        provider=record.provider,
        total_chunks=record.total_chunks,
        completed_chunks=completed,
        processed_results=results,
        result_indices=completed[: len(results)],
        started_at=record.started_at,
        updated_at=record.updated_at,
        error_message=record.error_message,
        config=record.config,
    )


def result_texts(connection: Connection, job_id: str, path: Path) -> Iterator[list[str]]:
    """Yield the stored texts of all results, in index order, verified, in bounded pages."""
    for page in paged(lambda after, limit: result_page(connection, job_id, after, limit)):
        yield [text for _, text in verified_page(path, job_id, page)]


def paged(fetch: Callable[[int, int], list[ResultRow]]) -> Iterator[list[ResultRow]]:
    """Yield pages of about 256 KiB of text; ``fetch`` gets the index to begin after, and how many rows at most."""
    after, limit = -1, 16
    while page := fetch(after, limit):
        yield page
        after = page[-1][0]
        size = sum(len(row[1] or "") for row in page) // len(page) + 1
        limit = max(1, min(_PAGE_ROWS, _PAGE_BYTES // size))


def indices(connection: Connection, job_id: str) -> Iterator[int]:
    """Yield every completed index, ascending."""
    statement = select(_C.chunk_index).where(_C.job_id == job_id).order_by(_C.chunk_index)
    for page in connection.execute(statement).scalars().partitions(4096):
        yield from page
