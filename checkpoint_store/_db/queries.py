"""Statements about jobs and their chunks: rows in, frozen records out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, func, literal_column, select

from checkpoint_store import codec
from checkpoint_store._db import lane
from checkpoint_store._db.driver import driver_of
from checkpoint_store._db.schema import chunk_results, completed_chunks, deleted_jobs, jobs
from checkpoint_store.amounts import LONGEST_NUMBER, number_in
from checkpoint_store.errors import JobNotFound, StoreDamaged
from checkpoint_store.plan import Plan
from checkpoint_store.state import SCHEMA_VERSION, JobStatus, ProcessingState, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping

_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_PAGE_BYTES: Final = 1 << 18
"""What a processor's own memory holds: pages of a mebibyte took a fifth longer to read and to write."""
_PAGE_INDICES: Final = 4096
_PAGE_ROWS: Final = 500
_NEXT_NUMBER: Final[Any] = literal_column("(SELECT coalesce(max(job_number), 0) + 1 FROM jobs)")


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One row of ``jobs``, with its config decoded."""

    job_number: int
    job_id: str
    status: JobStatus
    file_name: str
    video_title: str | None
    model: str | None
    provider: str | None
    total_chunks: int
    completed_count: int
    started_at: str
    updated_at: str
    error_message: str | None
    config: dict[str, Any]
    chunks_digest: str | None
    stretch_started_at: str
    stretch_completed_count: int
    is_current: bool

    @property
    def plan(self) -> Plan:
        """What its results were made for."""
        return Plan(self.file_name, self.total_chunks, self.model, self.provider, self.config, self.chunks_digest)


def _record(row: RowMapping, path: Path) -> JobRecord:
    values = dict(row)
    try:
        values["config"] = codec.decode(values["config"])
        values["status"] = JobStatus(values["status"])
    except ValueError as error:
        raise StoreDamaged(path, f"its row in jobs does not read: {error}", job_id=str(values["job_id"])) from error
    values["is_current"] = bool(values["is_current"])
    return JobRecord(**values)


def find_job(connection: Connection, job_id: str, path: Path) -> JobRecord:
    """Return the job with this id or unique prefix of it, or raise :class:`JobNotFound`."""
    if not job_id or any("\ud800" <= letter <= "\udfff" for letter in job_id):
        raise JobNotFound(job_id, path)
    exact = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).mappings().first()
    if exact is not None:
        return _record(exact, path)
    # A range, not LIKE: an id is text, and % or _ in it mean themselves.
    starts_so = func.substr(jobs.c.job_id, 1, len(job_id)) == job_id
    found = connection.execute(select(jobs).where(starts_so).order_by(jobs.c.job_number.desc())).mappings().all()
    if len(found) != 1:
        raise JobNotFound(job_id, path, [row["job_id"] for row in found])
    return _record(found[0], path)


def list_jobs(
    connection: Connection,
    path: Path,
    *,
    status: str | None = None,
    file_name: str | None = None,
    current: bool = False,
    with_results: bool = False,
    limit: int | None = None,
) -> list[JobRecord]:
    """Return jobs, the one opened last first."""
    statement = select(jobs).order_by(jobs.c.job_number.desc()).limit(limit)
    if status is not None:
        statement = statement.where(jobs.c.status == status)
    if file_name is not None:
        statement = statement.where(jobs.c.file_name == file_name)
    if current:
        statement = statement.where(jobs.c.is_current == 1)
    if with_results:
        statement = statement.where(jobs.c.completed_count > 0)
    return [_record(row, path) for row in connection.execute(statement).mappings()]


def insert_job(connection: Connection, values: dict[str, Any]) -> None:
    """Add a job as the newest and the current one."""
    connection.execute(deleted_jobs.delete().where(deleted_jobs.c.job_id == values["job_id"]))
    connection.execute(jobs.update().where(jobs.c.is_current == 1).values(is_current=0))
    connection.execute(jobs.insert().values(**values, job_number=_NEXT_NUMBER, is_current=1))


def make_current(connection: Connection, job_id: str) -> None:
    """Let the state file show this job."""
    connection.execute(jobs.update().where(jobs.c.is_current == 1, jobs.c.job_id != job_id).values(is_current=0))
    connection.execute(jobs.update().where(jobs.c.is_current == 0, jobs.c.job_id == job_id).values(is_current=1))


def make_newest(connection: Connection, job_id: str) -> None:
    """Put a job before all others in the order of jobs."""
    newest = select(func.max(jobs.c.job_number)).scalar_subquery()
    behind = jobs.update().where(jobs.c.job_id == job_id, jobs.c.job_number < newest)
    connection.execute(behind.values(job_number=_NEXT_NUMBER))


def update_job(connection: Connection, job_id: str, path: Path, **values: Any) -> None:
    """Change columns of one job."""
    changed = connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(**values))
    if not changed.rowcount:
        raise JobNotFound(job_id, path)


def delete_job(connection: Connection, job_id: str) -> None:
    """Remove a job with its completed chunks and results; freed space is overwritten (``secure_delete``).

    That it was deleted is kept, so that no older copy brings it back.
    """
    connection.execute(chunk_results.delete().where(_R.job_id == job_id))
    connection.execute(jobs.delete().where(jobs.c.job_id == job_id))
    keep_deleted(connection, {job_id: now()})


def keep_deleted(connection: Connection, deleted: Mapping[str, str]) -> None:
    """Record that these jobs were deleted (job id, when)."""
    if deleted:
        rows = [{"job_id": job_id, "deleted_at": moment} for job_id, moment in deleted.items()]
        connection.execute(deleted_jobs.insert().prefix_with("OR IGNORE"), rows)


def was_deleted(connection: Connection, job_id: str) -> bool:
    """Return whether a job of this id was deleted, and not taken in again since."""
    return connection.execute(select(deleted_jobs).where(deleted_jobs.c.job_id == job_id)).first() is not None


def finish_if_done(connection: Connection, job_id: str) -> bool:
    """Set a job with nothing left to completed; return whether nothing was left."""
    done = connection.execute(
        jobs.update()
        .where(jobs.c.job_id == job_id, jobs.c.completed_count >= jobs.c.total_chunks)
        .values(status=JobStatus.COMPLETED.value, error_message=None)
    )
    return bool(done.rowcount)


def is_completed_job(connection: Connection, job_id: str) -> bool:
    """Return whether a job has nothing left."""
    nothing_left = "SELECT 1 FROM jobs WHERE job_id = ? AND completed_count >= total_chunks"
    return driver_of(connection).execute(nothing_left, (job_id,)).fetchone() is not None


def recount(connection: Connection, job_id: str) -> None:
    """Set ``completed_count`` to what is there."""
    counted = select(func.count()).select_from(completed_chunks).where(_C.job_id == job_id).scalar_subquery()
    connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(completed_count=counted))


def digests(connection: Connection, job_id: str) -> dict[int, str | None]:
    """Return the digest of each completed chunk's result; None where it was completed without one."""
    statement = select(_C.chunk_index, _C.digest).where(_C.job_id == job_id)
    return {row[0]: row[1] for row in connection.execute(statement)}


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
    values = lane.RESULT_PAGE.values(in_job=job_id, after=after, rows=limit, param_1=0)
    return driver_of(connection).execute(lane.RESULT_PAGE.text, values).fetchall()


def verified(path: Path, job_id: str, index: int, text: str | None, *digests: str | None) -> str:
    """Return a stored result's text if it is what was written, or raise :class:`StoreDamaged`."""
    if text is None:
        raise StoreDamaged(path, "its result is missing", job_id=job_id, chunk_index=index)
    found = codec.digest(job_id, index, text)
    for digest in digests:
        if digest != found:
            raise StoreDamaged(path, "its result is not what was stored", job_id=job_id, chunk_index=index)
    return text


def verified_page(path: Path, job_id: str, page: list[ResultRow]) -> list[tuple[int, str]]:
    """Return (index, text) of each result of a page, or raise :class:`StoreDamaged` for the first that is not sound."""
    for index, text, digest, beside in page:
        if text is None or digest != beside or codec.digest(job_id, index, text) != digest:
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
        yield from _index_pages(connection, lane.WITHOUT_RESULT, record)


def indices_with_result(connection: Connection, record: JobRecord) -> Iterator[list[int]]:
    """Yield every completed index that has a result, ascending, in pages."""
    if record.completed_count:
        yield from _index_pages(connection, lane.WITH_RESULT, record)


def _index_pages(connection: Connection, statement: lane.Statement, record: JobRecord) -> Iterator[list[int]]:
    cursor = driver_of(connection).execute(statement.text, (record.job_id,))
    while page := cursor.fetchmany(_PAGE_INDICES):
        yield [index for (index,) in page]


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
    return lane.IS_COMPLETED.text, lane.IS_COMPLETED.values(in_job=job_id, at_index=index)


def is_complete(connection: Connection, job_id: str, index: int) -> bool:
    """Return whether a chunk is complete."""
    return driver_of(connection).execute(*is_completed(job_id, index)).fetchone() is not None


def state_of(connection: Connection, record: JobRecord, texts: Sequence[str]) -> ProcessingState:
    """Return a whole job as a state, from the snapshot that ``connection`` sees; ``texts`` are all of its results."""
    completed = [index for page in indices_in_order_of_state(connection, record) for index in page]
    results = [codec.decode(text) for text in texts]
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


def facts(connection: Connection) -> dict[str, Any]:
    """Return what a store says of itself."""
    page_size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    counted = connection.execute(select(func.count(), func.coalesce(func.sum(jobs.c.completed_count), 0))).one()
    return {
        "page_size": page_size,
        "size_bytes": page_size * pages,
        "jobs": counted[0],
        "completed_chunks": counted[1],
    }


def touch(driver: sqlite3.Connection) -> None:
    """Write a page that holds nothing of any job."""
    driver.execute("UPDATE alembic_version SET version_num = version_num")
