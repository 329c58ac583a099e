"""Statements that record a completion, step by step or many at a time."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.storage.statements import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.storage.records import Completion


_MOST_AT_ONCE: Final = 64
"""Completions in one statement; each number of them is a statement of its own to prepare."""

_Change = tuple[str, int, str]
"""A job, how many chunks more it has, and since when."""


def _values(completions: Sequence[Completion]) -> list[Any] | None:
    """Return what :func:`lane.at_once` wants of them; None where they are to be written step by step."""
    values: list[Any] = []
    for completion in completions:
        if completion.text is None or completion.replace:
            return None
        values += completion[:-1]
    return values


def _write_one(driver: sqlite3.Connection, completion: Completion) -> None:
    """Write one completion in the open transaction."""
    _count_all(driver, _record_all(driver, [completion]))
    _end_attempts(driver, [completion])


def _end_attempts(driver: sqlite3.Connection, completions: Sequence[Completion]) -> None:
    for completion in completions:
        if completion.attempt is not None:
            values = compiled.END_ATTEMPT.values(
                in_job=completion.job_id,
                at_index=completion.chunk_index,
                attempt=completion.attempt,
                at=completion.completed_at,
                seconds=completion.seconds,
            )
            driver.execute(compiled.END_ATTEMPT.text, values)


def _count_all(driver: sqlite3.Connection, news: Sequence[_Change]) -> None:
    added: dict[str, tuple[int, str]] = {}
    for job_id, more, at in news:
        added[job_id] = (added.get(job_id, (0, ""))[0] + more, at)
    for job_id, (more, at) in added.items():
        count(driver, job_id, more, at)


def _record_in_bulk(driver: sqlite3.Connection, completions: Sequence[Completion]) -> bool:
    """Write completions many at a time; False, and nothing written, where one of them needs a closer look."""
    with suppress(sqlite3.IntegrityError), _all_or_none(driver):
        for at in range(0, len(completions), _MOST_AT_ONCE):
            some = completions[at : at + _MOST_AT_ONCE]
            values = _values(some)
            if values is None:
                raise sqlite3.IntegrityError("to be written step by step")
            driver.execute(compiled.at_once(len(some)), values)
        return True
    return False


def _record_together(driver: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    with _all_or_none(driver):
        return _record_all(driver, completions)


@contextmanager
def _all_or_none(driver: sqlite3.Connection) -> Iterator[None]:
    """Take back what was written in this block where it ends with an error; the transaction goes on."""
    driver.execute("SAVEPOINT block")
    try:
        yield
    except BaseException:
        if driver.in_transaction:  # after some errors SQLite has rolled back all of it
            driver.execute("ROLLBACK TO block")
        raise
    finally:
        if driver.in_transaction:
            driver.execute("RELEASE block")


def _record_all(driver: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    """Record completions and return (job, 1 if new or 0 if changed, when) of each that did anything."""
    news = []
    for completion in completions:
        more = record(driver, completion)
        if more is not None:
            news.append((completion.job_id, more, completion.completed_at))
    return news


def count(driver: sqlite3.Connection, job_id: str, more: int, at: str) -> None:
    """Tell a job of ``more`` completed chunks; with the last one it is completed."""
    values = {"more": more, "at": at, "in_job": job_id}
    if not driver.execute(compiled.COUNT.text, compiled.COUNT.values(**values)).rowcount:
        driver.execute(compiled.COUNT_LAST.text, compiled.COUNT_LAST.values(**values))


def record(driver: sqlite3.Connection, completion: Completion) -> int | None:
    """Write one completion's rows; return 1 for a new one, 0 for a changed one, None where nothing happened."""
    job_id, index, at, text, digest, fingerprint, *_ = completion
    result_id = None
    if text is not None:
        result_id = driver.execute(compiled.ADD_RESULT.text, (job_id, index, text, digest)).lastrowid
    try:
        done = driver.execute(compiled.COMPLETE.text, (job_id, index, at, fingerprint, digest, result_id))
    except sqlite3.IntegrityError as error:
        _remove(driver, result_id)
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise JobNotFound(job_id, "the store (it was deleted)") from error
        raise
    return 1 if done.rowcount else _record_again(driver, completion, result_id)


def _record_again(driver: sqlite3.Connection, completion: Completion, result_id: int | None) -> int | None:
    """The chunk is complete already: the same result changes nothing, another one has to be asked for."""
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index}
    present, present_id = driver.execute(compiled.PRESENT.text, compiled.PRESENT.values(**here)).fetchone()
    if completion.digest in (None, present):
        _remove(driver, result_id)
        return None
    if present is not None and not completion.replace:
        _remove(driver, result_id)
        raise ChunkAlreadyCompleted(completion.job_id, completion.chunk_index)
    _remove(driver, present_id)
    values = compiled.SET_RESULT.values(
        at=completion.completed_at,
        new_fingerprint=completion.fingerprint,
        new_digest=completion.digest,
        new_id=result_id,
        **here,
    )
    driver.execute(compiled.SET_RESULT.text, values)
    return 0


def _remove(driver: sqlite3.Connection, result_id: int | None) -> None:
    if result_id is not None:
        driver.execute(compiled.REMOVE_RESULT.text, (result_id,))
