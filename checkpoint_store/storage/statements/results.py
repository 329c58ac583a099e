"""Statements about completed chunks and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, case, func, literal_column, null, or_, select

from checkpoint_store.errors import InvalidArgumentError, StoreDamaged
from checkpoint_store.model.amounts import LONGEST_NUMBER, fields_of, json_paths, number_in
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.state import ProcessingState
from checkpoint_store.model.versions import SCHEMA_VERSION
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.statements.compiled import Statement
from checkpoint_store.storage.tables import chunk_results, completed_chunks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.records import JobRecord


_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_PAGE_BYTES: Final = 1 << 18
"""What a processor's own memory holds: pages of a mebibyte took a fifth longer to read and to write."""
_PAGE_INDICES: Final = 4096
_PAGE_ROWS: Final = 500


_IN_JOB: Final[Any] = _C.job_id == bindparam("in_job")
_BETWEEN: Final[Any] = _IN_JOB, _C.chunk_index >= bindparam("start"), _C.chunk_index < bindparam("stop")

_FINGERPRINTS: Final = Statement(
    lambda: select(_C.chunk_index, _C.fingerprint).where(_IN_JOB, _C.digest.is_not(null())).order_by(_C.chunk_index)
)
_WITHOUT_FINGERPRINT: Final = Statement(
    lambda: select(_C.chunk_index).where(_IN_JOB, _C.fingerprint.is_(null())).limit(literal_column("1"))
)
_SET_FINGERPRINT: Final = Statement(
    lambda: (
        completed_chunks.update()
        .where(_IN_JOB, _C.chunk_index == bindparam("at_index"), _C.fingerprint.is_(null()))
        .values(fingerprint=bindparam("value"))
    )
)
_COUNT_BETWEEN: Final = Statement(lambda: select(func.count()).select_from(completed_chunks).where(*_BETWEEN))
_INDICES_BETWEEN: Final = Statement(lambda: select(_C.chunk_index).where(*_BETWEEN).order_by(_C.chunk_index))
_FIRST_FROM: Final = Statement(
    lambda: (
        select(_C.chunk_index)
        .where(_IN_JOB, _C.chunk_index >= bindparam("start"))
        .order_by(_C.chunk_index)
        .limit(literal_column("1"))
    )
)
_INDICES: Final = Statement(lambda: select(_C.chunk_index).where(_IN_JOB).order_by(_C.chunk_index))
_DIGESTS: Final = Statement(lambda: select(_C.chunk_index, _C.digest).where(_IN_JOB))
_RESULT: Final = Statement(
    lambda: (
        select(_R.result, _C.digest)
        .outerjoin_from(completed_chunks, chunk_results, _R.result_id == _C.result_id)
        .where(_IN_JOB, _C.chunk_index == bindparam("at_index"))
    )
)


def _field() -> tuple[Any, Any]:
    """Return the expressions for the value and the type of a field: that of its whole name, or of its dotted path."""
    paths: tuple[Any, Any] = bindparam("json_path"), bindparam("dotted_path")
    kinds = [func.json_type(_R.result, path) for path in paths]
    values = [func.json_extract(_R.result, path) for path in paths]
    return case((kinds[0].is_not(None), values[0]), else_=values[1]), func.coalesce(*kinds)


def _once() -> Any:
    """Each result once: one that was carried over may stand in several places, also in that which was paid for."""
    payer = func.coalesce(_C.source_job_id, _C.job_id), func.coalesce(_C.source_chunk_index, _C.chunk_index)
    firsts = select(func.min(_C.chunk_index)).where(_IN_JOB).group_by(*payer)
    only_carried = func.count() == func.count(_C.source_job_id)
    return or_(_C.source_job_id.is_(null()), _C.chunk_index.in_(firsts.having(only_carried).correlate(None)))


def _total() -> Select[Any]:
    value, kind = _field()
    number = case((kind.in_((literal_column("'integer'"), literal_column("'real'"))), value))
    whole, real = (case((func.typeof(number) == name, number)) for name in ("integer", "real"))
    # In halves: SQLite's sum of integers stops at 64 bits.
    high, low = func.sum(whole.op(">>")(32)), func.sum(whole.op("&")(0xFFFFFFFF))
    of_job = completed_chunks.join(chunk_results, _R.result_id == _C.result_id)
    columns: tuple[Any, ...] = high, low, func.sum(real), func.count(kind), func.max(_R.result_id)
    return select(*columns).select_from(of_job).where(_IN_JOB, _once())


def _short_texts() -> Select[Any]:
    value, kind = _field()
    of_job = completed_chunks.join(chunk_results, _R.result_id == _C.result_id)
    is_short = func.length(value) <= literal_column(str(LONGEST_NUMBER))
    return select(value).select_from(of_job).where(_IN_JOB, _once(), kind == literal_column("'text'"), is_short)


_TOTAL: Final = Statement(_total)
_SHORT_TEXTS: Final = Statement(_short_texts)


def fingerprints(connection: sqlite3.Connection, job_id: str) -> Iterator[tuple[int, str | None]]:
    """Yield (index, fingerprint) of each completed chunk that has a result, in index order."""
    yield from _FINGERPRINTS.run(connection, in_job=job_id)


def digests(connection: sqlite3.Connection, job_id: str) -> dict[int, str | None]:
    """Return the digest of each completed chunk's result; None where it was completed without one."""
    return dict(_DIGESTS.run(connection, in_job=job_id).fetchall())


def lacks_fingerprints(connection: sqlite3.Connection, job_id: str) -> bool:
    """Return whether a chunk of this job was completed while its content was not at hand."""
    return _WITHOUT_FINGERPRINT.run(connection, in_job=job_id).fetchone() is not None


def set_fingerprints(connection: sqlite3.Connection, job_id: str, pairs: list[dict[str, Any]]) -> None:
    """Fill in fingerprints (``at_index``, ``value``) of chunks that were completed without one."""
    _SET_FINGERPRINT.run_many(connection, ({"in_job": job_id} | pair for pair in pairs))


def completed_in(connection: sqlite3.Connection, job_id: str, start: int, stop: int) -> list[int]:
    """Return the completed indices in ``[start, stop)``, ascending; all of them as cheaply as a count."""
    between = {"in_job": job_id, "start": start, "stop": stop}
    (count,) = _COUNT_BETWEEN.run(connection, **between).fetchone()
    if count == stop - start:
        return list(range(start, stop))
    if count == 0:
        return []
    return [index for (index,) in _INDICES_BETWEEN.run(connection, **between)]


def completed_from(connection: sqlite3.Connection, job_id: str, start: int, width: int) -> list[int]:
    """Return the completed indices of the first span of ``width`` chunks, from ``start`` on, that begins with one."""
    first = _FIRST_FROM.run(connection, in_job=job_id, start=start).fetchone()
    return completed_in(connection, job_id, first[0], first[0] + width) if first else []


ResultRow = tuple[int, str | None, str, str | None]
"""(index, text, digest, digest beside the text) of a completed chunk with a result."""


def result_page(connection: sqlite3.Connection, job_id: str, after: int, limit: int) -> list[ResultRow]:
    """Return the completed chunks with a result after an index, in index order."""
    return compiled.RESULT_PAGE.run(connection, in_job=job_id, after=after, rows=limit).fetchall()


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


def result_row(connection: sqlite3.Connection, job_id: str, index: int) -> tuple[str | None, str | None] | None:
    """Return (text, digest) of one completed chunk, or None where it is not complete."""
    row: tuple[str | None, str] | None = _RESULT.run(connection, in_job=job_id, at_index=index).fetchone()
    return row


def indices_in_order_of_state(connection: sqlite3.Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index, in pages: those with a result first, so that results can be paired by position."""
    found = 0
    for page in indices_with_result(connection, record):
        found += len(page)
        yield page
    if found < record.completed_count:
        yield from _index_pages(connection, compiled.WITHOUT_RESULT, record)


def totals(connection: sqlite3.Connection, job_id: str, keys: tuple[str, ...]) -> dict[str, int | float]:
    """Return the sum of each field over a job's results: numbers, and texts that are numbers. Others add nothing.

    Raises:
        InvalidArgumentError: there are results, and none of them has the field.
    """
    sums: dict[str, int | float] = {}
    for key in keys:
        paths = json_paths(key)
        field = {"in_job": job_id, "json_path": paths[0], "dotted_path": paths[-1]}
        high, low, real, count, newest = _TOTAL.run(connection, **field).fetchone()
        if newest is not None and not count:
            raise _unknown_field(connection, key, newest)
        integers = ((high or 0) << 32) + (low or 0)
        numbers = (number_in(text) for (text,) in _SHORT_TEXTS.run(connection, **field))
        written = sum(number for number in numbers if number is not None)
        sums[key] = integers + written if real is None else integers + written + real
    return sums


def _unknown_field(connection: sqlite3.Connection, key: str, result_id: int) -> InvalidArgumentError:
    (text,) = compiled.RESULT_TEXT.run(connection, id=result_id).fetchone()
    fields = ", ".join(fields_of(json_text.decode(text))) or "none"
    return InvalidArgumentError("keys", key, f"is a field of no result of this job; the newest result has: {fields}")


def is_completed(job_id: str, index: int) -> tuple[str, tuple[Any, ...]]:
    """Return the statement (and its values) that finds a completed chunk."""
    return compiled.IS_COMPLETED.text, compiled.IS_COMPLETED.values(in_job=job_id, at_index=index)


def is_complete(connection: sqlite3.Connection, job_id: str, index: int) -> bool:
    """Return whether a chunk is complete."""
    return connection.execute(*is_completed(job_id, index)).fetchone() is not None


def indices_with_result(connection: sqlite3.Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index that has a result, ascending, in pages."""
    if record.completed_count:
        yield from _index_pages(connection, compiled.WITH_RESULT, record)


def _index_pages(
    connection: sqlite3.Connection, statement: compiled.Statement, record: JobRecord
) -> Iterator[list[int]]:
    cursor = statement.run(connection, in_job=record.job_id)
    while page := cursor.fetchmany(_PAGE_INDICES):
        yield [index for (index,) in page]


def state_of(connection: sqlite3.Connection, record: JobRecord, texts: Sequence[str]) -> ProcessingState:
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


def result_texts(connection: sqlite3.Connection, job_id: str, path: Path) -> Iterator[list[str]]:
    """Yield the stored texts of all results, in index order, verified, in bounded pages."""
    for page in paged(lambda after, limit: result_page(connection, job_id, after, limit)):
        yield [text for _, text in verified_page(path, job_id, page)]


def paged(fetch: Callable[[int, int], list[ResultRow]]) -> Iterator[list[ResultRow]]:
    """Yield pages of about 256 KiB of text; ``fetch`` gets the index to begin after, and how many rows at most."""
    after, limit = -1, 16
    while page := fetch(after, limit):
        yield page
        after, *_ = page[-1]
        size = sum(len(text or "") for _, text, _, _ in page) // len(page) + 1
        limit = max(1, min(_PAGE_ROWS, _PAGE_BYTES // size))


def indices(connection: sqlite3.Connection, job_id: str) -> Iterator[int]:
    """Yield every completed index, ascending."""
    for (index,) in _INDICES.run(connection, in_job=job_id):
        yield index
