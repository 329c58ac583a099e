"""Statements about attempts: claimed, failed, released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, literal_column, select

from checkpoint_store.model.clock import now
from checkpoint_store.storage.records import Claim, Found
from checkpoint_store.storage.statements import runners
from checkpoint_store.storage.statements.compiled import Statement
from checkpoint_store.storage.tables import attempts, completed_chunks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence


_A: Final = attempts.c
_FIRST_WIDTH: Final = 8
_MOST_WIDTH: Final = 4096


class AttemptRow(NamedTuple):
    """What claiming needs to know of one attempt."""

    chunk_index: int
    number: int
    runner_id: int
    outcome: str
    counted: int
    is_last: int


_COMPLETED_IN: Final = Statement(
    lambda: select(completed_chunks.c.chunk_index).where(
        completed_chunks.c.job_id == bindparam("in_job"),
        completed_chunks.c.chunk_index >= bindparam("start"),
        completed_chunks.c.chunk_index < bindparam("stop"),
    ),
    order=("in_job", "start", "stop"),
)
_ATTEMPTS_IN: Final = Statement(
    lambda: (
        select(*(_A[name] for name in AttemptRow._fields))
        .where(
            _A.job_id == bindparam("in_job"),
            _A.chunk_index >= bindparam("start"),
            _A.chunk_index < bindparam("stop"),
        )
        .order_by(_A.chunk_index, _A.number)
    ),
    order=("in_job", "start", "stop"),
)
_BEGIN: Final = Statement(
    lambda: attempts.insert().values(
        job_id=bindparam("in_job"),
        chunk_index=bindparam("at_index"),
        number=bindparam("new_number"),
        runner_id=bindparam("runner"),
        started_at=bindparam("at"),
        outcome=literal_column("'running'"),
        counted=literal_column("1"),
        is_last=literal_column("0"),
    ),
    order=("in_job", "at_index", "new_number", "runner", "at"),
)
_THIS: Final[Any] = (
    _A.job_id == bindparam("in_job"),
    _A.chunk_index == bindparam("at_index"),
    _A.number == bindparam("its_number"),
)
# Written as literals, so that the partial index on what is running is used.
_RUNNING: Final[Any] = _A.outcome == literal_column("'running'")
_OF_RUNNER: Final[Any] = _A.runner_id == bindparam("its_runner"), _RUNNING
_USE_UP: Final = Statement(lambda: attempts.update().where(*_THIS).values(is_last=1))
_FAIL: Final = Statement(
    lambda: (
        attempts.update()
        .where(*_THIS)
        .values(
            outcome="failed",
            finished_at=bindparam("at"),
            error=bindparam("its_error"),
            seconds=bindparam("its_seconds"),
            counted=bindparam("its_counted"),
            is_last=bindparam("now_last"),
        )
    )
)
_ABANDON: Final = Statement(
    lambda: (
        attempts.update().where(*_THIS, _RUNNING).values(outcome="abandoned", counted=0, finished_at=bindparam("at"))
    )
)
_FORGET: Final = Statement(lambda: attempts.delete().where(*_THIS, _RUNNING))
_IN_HAND: Final = Statement(lambda: select(_A.job_id, _A.chunk_index, _A.number).where(*_OF_RUNNER))
_ABANDON_ALL: Final = Statement(
    lambda: (
        attempts.update()
        .where(*_OF_RUNNER)
        .values(outcome="abandoned", finished_at=bindparam("at"), counted=bindparam("its_counted"))
    )
)


def end_runner(
    connection: sqlite3.Connection, runner_id: int, *, begun: Collection[tuple[int, int]] | None, counted: bool
) -> None:
    """Record that a runner is gone. The attempts that it had ``begun`` (None: any in its hand) are in doubt.

    ``counted`` says whether that counts as a try. Of claims on which no work began, nothing is kept.
    """
    if begun is not None:
        for job_id, index, number in _IN_HAND.run(connection, its_runner=runner_id).fetchall():
            if (index, number) not in begun:
                release(connection, job_id, [Claim(index, number)], begun=False)
    _ABANDON_ALL.run(connection, its_runner=runner_id, at=now(), its_counted=int(counted))
    runners.set_ended(connection, runner_id)


def search(
    connection: sqlite3.Connection,
    job_id: str,
    runner_id: int,
    *,
    start: int,
    stop: int,
    wanted: int,
    max_attempts: int | None,
    is_held: Callable[[int, int], bool],
) -> Found:
    """Claim up to ``wanted`` chunks of ``[start, stop)`` in the open transaction, the lowest first.

    Passed over are completed and failed chunks, and those for which ``is_held(index, runner_id)`` says so.
    """
    claims: list[Claim] = []
    held: list[tuple[int, int]] = []
    width = max(wanted, _FIRST_WIDTH)
    while start < stop and len(claims) < wanted:
        end = min(start + width, stop)
        done = {index for (index,) in connection.execute(_COMPLETED_IN.text, (job_id, start, end))}
        tried: dict[int, list[AttemptRow]] = {}
        for row in _attempts_in(connection, job_id, start, end):
            tried.setdefault(row.chunk_index, []).append(row)
        for index in range(start, end):
            if len(claims) == wanted:
                end = index
                break
            if index in done:
                continue
            rows = tried.get(index, [])
            running = (row.runner_id for row in rows if row.outcome == "running")
            by = next((runner for runner in running if is_held(index, runner)), None)
            if by is not None:
                held.append((index, by))
            else:
                claim = _claim(connection, job_id, runner_id, index, rows=rows, max_attempts=max_attempts)
                claims += [claim] if claim is not None else []
        start, width = end, min(width * 4, _MOST_WIDTH)
    return Found(claims, held, start)


def _attempts_in(connection: sqlite3.Connection, job_id: str, start: int, stop: int) -> list[AttemptRow]:
    """Return the attempts at the chunks of ``[start, stop)``, in the order of chunks and attempts."""
    return [AttemptRow._make(row) for row in connection.execute(_ATTEMPTS_IN.text, (job_id, start, stop))]


def _claim(
    connection: sqlite3.Connection,
    job_id: str,
    runner_id: int,
    index: int,
    *,
    rows: list[AttemptRow],
    max_attempts: int | None,
) -> Claim | None:
    """Begin an attempt at a chunk that is in nobody's hand, after those in ``rows``; None where it is failed."""
    number = 1
    if rows:
        if rows[-1].outcome == "running":  # its own, and in nobody's hand
            return Claim(index, rows[-1].number)
        if _is_passed_over(connection, job_id, rows, max_attempts):
            return None
        number = rows[-1].number + 1
    connection.execute(_BEGIN.text, (job_id, index, number, runner_id, now()))
    return Claim(index, number)


def _is_passed_over(
    connection: sqlite3.Connection, job_id: str, rows: Sequence[AttemptRow], max_attempts: int | None
) -> bool:
    """Whether a chunk is failed: said so already, or found now that its tries are used up."""
    last = rows[-1]
    if last.is_last:
        return True
    if max_attempts is None or last.outcome not in ("failed", "abandoned") or used(rows) < max_attempts:
        return False
    _USE_UP.run(connection, in_job=job_id, at_index=last.chunk_index, its_number=last.number)
    return True


def used(rows: Iterable[AttemptRow]) -> int:
    """Return how many of a chunk's attempts count against its limit."""
    return sum(1 for row in rows if row.counted and row.outcome in ("failed", "abandoned"))


def fail(
    connection: sqlite3.Connection,
    job_id: str,
    index: int,
    number: int | None,
    runner_id: int,
    *,
    error: str,
    seconds: float | None,
    limit: int,
    counted: bool,
    again: bool,
) -> int | None:
    """End an attempt as failed. Return the number of the next one, which begins at once; None where there is none.

    ``number`` is None for a chunk that was not claimed: the attempt is recorded whole. Where the chunk's attempts reach
    ``limit`` by it, the chunk is failed. ``again`` says whether the runner goes on with it.
    """
    rows = _attempts_in(connection, job_id, index, index + 1)
    at = now()
    if number is None or all(row.number != number for row in rows):  # not claimed; or the job was deleted meanwhile
        number = rows[-1].number + 1 if rows else 1
        connection.execute(_BEGIN.text, (job_id, index, number, runner_id, at))
        rows.append(AttemptRow(index, number, runner_id, "running", 1, 0))
    is_last = counted and used(rows) + 1 >= limit
    _FAIL.run(
        connection,
        in_job=job_id,
        at_index=index,
        its_number=number,
        at=at,
        its_error=error,
        its_seconds=seconds,
        its_counted=int(counted),
        now_last=int(is_last),
    )
    if is_last or not again:
        return None
    following = max(row.number for row in rows) + 1
    connection.execute(_BEGIN.text, (job_id, index, following, runner_id, at))
    return following


def release(connection: sqlite3.Connection, job_id: str, claims: Iterable[Claim], *, begun: bool) -> None:
    """Let go of claims: what was begun is in doubt, and of what was not nothing is kept."""
    rows: list[dict[str, Any]] = [
        {"in_job": job_id, "at_index": claim.chunk_index, "its_number": claim.number} for claim in claims
    ]
    if begun:
        at = now()
        _ABANDON.run_many(connection, (row | {"at": at} for row in rows))
    else:
        _FORGET.run_many(connection, rows)
