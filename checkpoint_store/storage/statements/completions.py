"""Statements that record a completion, step by step or many at a time."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.model.codec.same_value import is_same_result
from checkpoint_store.storage.statements import compiled, effect, in_vain, redos, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.storage.open_requests import Source
    from checkpoint_store.storage.records import Completion


COMPLETIONS_AT_ONCE_MAX: Final = 64
"""Completions in one statement; each number of them is a statement of its own to prepare."""

_Change = tuple[str, int, str]
"""A job, how many chunks more it has, and since when."""


def _values(completions: Sequence[Completion]) -> list[Any] | None:
    """Return what :func:`compiled.fast_insert` wants of them; None where they are to be written step by step."""
    values: list[Any] = []
    for completion in completions:
        if completion.text is None or completion.replace:
            return None
        values += completion[: len(compiled.COMPLETION)]
    return values


def _write_one(connection: sqlite3.Connection, completion: Completion) -> None:
    """Write one completion in the open transaction."""
    _count_all(connection, _record_all(connection, [completion]))
    _end_attempts(connection, [completion])


def _end_attempts(connection: sqlite3.Connection, completions: Sequence[Completion]) -> None:
    for completion in completions:
        in_vain.end_unless_in_vain(connection, completion)


def _count_all(connection: sqlite3.Connection, news: Sequence[_Change]) -> None:
    added: dict[str, tuple[int, str]] = {}
    for job_id, more, at in news:
        added[job_id] = (added.get(job_id, (0, ""))[0] + more, at)
    for job_id, (more, at) in added.items():
        count(connection, job_id, more, at)


def _record_in_bulk(connection: sqlite3.Connection, completions: Sequence[Completion]) -> bool:
    """Write completions many at a time; False, and nothing written, where one of them needs a closer look."""
    with suppress(sqlite3.IntegrityError), _all_or_none(connection):
        for at in range(0, len(completions), COMPLETIONS_AT_ONCE_MAX):
            some = completions[at : at + COMPLETIONS_AT_ONCE_MAX]
            values = _values(some)
            if values is None:
                raise sqlite3.IntegrityError("to be written step by step")
            changes_before = connection.total_changes
            connection.execute(compiled.fast_insert(len(some)), values)
            effect.require_completions(connection, values, connection.total_changes - changes_before)
        return True
    return False


def _record_together(connection: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    with _all_or_none(connection):
        return _record_all(connection, completions)


@contextmanager
def _all_or_none(connection: sqlite3.Connection) -> Iterator[None]:
    """Take back what was written in this block where it ends with an error; the transaction goes on."""
    connection.execute("SAVEPOINT block")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # after some errors SQLite has rolled back all of it
            connection.execute("ROLLBACK TO block")
        raise
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE block")


def _record_all(connection: sqlite3.Connection, completions: Sequence[Completion]) -> list[_Change]:
    """Record completions and return (job, 1 if new or 0 if changed, when) of each that did anything."""
    news = []
    for completion in completions:
        more = record(connection, completion, is_work=True)
        if more is not None:
            news.append((completion.job_id, more, completion.completed_at))
    return news


def count(connection: sqlite3.Connection, job_id: str, more: int, at: str) -> None:
    """Tell a job of ``more`` completed chunks; with the last one it is completed."""
    values = {"more": more, "at": at, "in_job": job_id}
    if not compiled.COUNT.run(connection, **values).rowcount:
        effect.require_rows(compiled.COUNT_LAST.run(connection, **values), "the number of completed chunks")


def set_source(connection: sqlite3.Connection, job_id: str, index: int, source: Source) -> None:
    """Say which job, and which chunk of it, paid for a completed chunk's result."""
    compiled.SET_SOURCE.run(
        connection,
        in_job=job_id,
        at_index=index,
        source=source.job_id,
        source_index=source.chunk_index,
        differs_in=source.differs_in,
    )


def record(
    connection: sqlite3.Connection, completion: Completion, *, is_work: bool = False, answers: str | None = None
) -> int | None:
    """Write one completion's rows; return 1 for a new one, 0 for a changed one, None where nothing happened.

    ``is_work``: the chunk was worked on just now, so that it is done again by this where that was asked for. What comes
    from a copy, a state file or another store is no answer to that, unless it says itself which redo it ``answers``.
    """
    job_id, index, at, text, digest, fingerprint, *_ = completion
    result_id = None
    if text is not None:
        added = effect.run_alone(connection, compiled.ADD_RESULT.text, (job_id, index, text, digest))
        result_id = effect.require_rows(added, "a result").lastrowid
    try:
        done = effect.run_alone(connection, compiled.COMPLETE.text, (job_id, index, at, fingerprint, digest, result_id))
    except sqlite3.IntegrityError as error:
        _remove(connection, result_id)
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise JobNotFound(job_id, "the store (it was deleted)") from error
        raise
    if not done.rowcount:
        asked_at = _asked_at(connection, completion, answers, is_work=is_work)
        change = _record_again(connection, completion, result_id, asked_at)
        if change is None and is_work:
            in_vain.note_the_same(connection, completion)
        return change
    if answers is not None:
        redos.note_answer(connection, job_id, index, answers)
    return 1


def _asked_at(
    connection: sqlite3.Connection, completion: Completion, answers: str | None, *, is_work: bool
) -> str | None:
    """Return which redo a completion ends; None for none."""
    job_id, index = completion.job_id, completion.chunk_index
    if is_work:
        return redos.asked_at(connection, job_id, index, completion.attempt)
    return answers if answers is not None and redos.asked_at(connection, job_id, index, None) == answers else None


def _record_again(
    connection: sqlite3.Connection, completion: Completion, result_id: int | None, asked_at: str | None
) -> int | None:
    """The chunk is complete already: the same result changes nothing, another one has to be asked for.

    Where it is asked for by a mark (the chunk is to be done again), any result takes the place of the earlier one.
    """
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index}
    recorded = compiled.PRESENT.run(connection, **here).fetchone()
    if recorded is None:
        raise sqlite3.DatabaseError("a completed chunk was not written; look for a trigger in the file")
    present, present_id, made_at, payer = recorded
    if asked_at is not None:
        redos.unmark(connection, completion.job_id, completion.chunk_index)
        if completion.digest is None:
            return 0
    elif completion.digest in (None, present):
        _remove(connection, result_id)
        return None
    if present is not None and not completion.replace and asked_at is None:
        is_same = _is_same_as_present(connection, completion, present_id)
        _remove(connection, result_id)
        if is_same:
            return None
        raise ChunkAlreadyCompleted(completion.job_id, completion.chunk_index)
    if payer is None:
        replaced.note(connection, completion, present_id, made_at)
    _remove(connection, present_id)
    changed = compiled.SET_RESULT.run(
        connection,
        at=completion.completed_at,
        new_fingerprint=completion.fingerprint,
        new_digest=completion.digest,
        new_id=result_id,
        asked_at=asked_at,
        **here,
    )
    effect.require_rows(changed, "a result in the place of another")
    return 0


def _is_same_as_present(connection: sqlite3.Connection, completion: Completion, present_id: int) -> bool:
    """Whether a chunk's result is the same value written in another way, as with its keys in another order."""
    row = compiled.RESULT_TEXT.run(connection, id=present_id).fetchone()
    return row is not None and completion.text is not None and is_same_result(completion.text, row[0])


def _remove(connection: sqlite3.Connection, result_id: int | None) -> None:
    if result_id is not None:
        compiled.REMOVE_RESULT.run(connection, id=result_id)
