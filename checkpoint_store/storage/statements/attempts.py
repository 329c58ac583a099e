"""Statements about attempts, the runners that make them, and wishes to pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, literal_column, select

from checkpoint_store.model.clock import now
from checkpoint_store.storage.connection.driver import driver_of
from checkpoint_store.storage.records import Claim, Found
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.tables import attempts, completed_chunks, runners

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence

    from sqlalchemy import Connection


_A: Final = attempts.c
_FIRST_WIDTH: Final = 8
_MOST_WIDTH: Final = 4096

_COMPLETED_IN: Final = compiled.Statement(
    lambda: select(completed_chunks.c.chunk_index).where(
        completed_chunks.c.job_id == bindparam("in_job"),
        completed_chunks.c.chunk_index >= bindparam("start"),
        completed_chunks.c.chunk_index < bindparam("stop"),
    ),
    order=("in_job", "start", "stop"),
)
_ATTEMPTS_IN: Final = compiled.Statement(
    lambda: (
        select(_A.chunk_index, _A.number, _A.runner_id, _A.outcome, _A.counted, _A.is_last)
        .where(
            _A.job_id == bindparam("in_job"),
            _A.chunk_index >= bindparam("start"),
            _A.chunk_index < bindparam("stop"),
        )
        .order_by(_A.chunk_index, _A.number)
    ),
    order=("in_job", "start", "stop"),
)
_BEGIN: Final = compiled.Statement(
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


def is_runner_of(connection: Connection, runner_id: int, job_id: str) -> bool:
    """Whether a runner is known as one of this job: both may have been deleted."""
    known = select(runners.c.runner_id).where(runners.c.runner_id == runner_id, runners.c.job_id == job_id)
    return connection.execute(known).first() is not None


def end_runner(
    connection: Connection, runner_id: int, *, begun: Collection[tuple[int, int]] | None, counted: bool
) -> None:
    """Record that a runner is gone. The attempts that it had ``begun`` (None: any in its hand) are in doubt.

    ``counted`` says whether that counts as a try. Of claims on which no work began, nothing is kept.
    """
    in_hand = and_(_A.runner_id == runner_id, _A.outcome == literal_column("'running'"))
    if begun is not None:
        for job_id, index, number in connection.execute(
            select(_A.job_id, _A.chunk_index, _A.number).where(in_hand)
        ).all():
            if (index, number) not in begun:
                release(driver_of(connection), job_id, [Claim(index, number)], begun=False)
    ended = attempts.update().where(in_hand).values(outcome="abandoned", finished_at=now(), counted=int(counted))
    connection.execute(ended)
    connection.execute(runners.update().where(runners.c.runner_id == runner_id).values(ended_at=now()))


def search(
    driver: sqlite3.Connection,
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
        done = {index for (index,) in driver.execute(_COMPLETED_IN.text, (job_id, start, end))}
        tried: dict[int, list[tuple[Any, ...]]] = {}
        for row in driver.execute(_ATTEMPTS_IN.text, (job_id, start, end)).fetchall():
            tried.setdefault(row[0], []).append(row)
        for index in range(start, end):
            if len(claims) == wanted:
                end = index
                break
            if index in done:
                continue
            rows = tried.get(index, [])
            by = next((row[2] for row in rows if row[3] == "running" and is_held(index, row[2])), None)
            if by is not None:
                held.append((index, by))
            else:
                claim = _claim(driver, job_id, runner_id, index, rows=rows, max_attempts=max_attempts)
                claims += [claim] if claim is not None else []
        start, width = end, min(width * 4, _MOST_WIDTH)
    return Found(claims, held, start)


def _claim(
    driver: sqlite3.Connection,
    job_id: str,
    runner_id: int,
    index: int,
    *,
    rows: list[tuple[Any, ...]],
    max_attempts: int | None,
) -> Claim | None:
    """Begin an attempt at a chunk that is in nobody's hand, after those in ``rows``; None where it is failed."""
    number = 1
    if rows:
        if rows[-1][3] == "running":  # its own, and in nobody's hand
            return Claim(index, rows[-1][1])
        if _is_passed_over(driver, job_id, rows, max_attempts):
            return None
        number = rows[-1][1] + 1
    driver.execute(_BEGIN.text, (job_id, index, number, runner_id, now()))
    return Claim(index, number)


def _is_passed_over(
    driver: sqlite3.Connection, job_id: str, rows: Sequence[tuple[Any, ...]], max_attempts: int | None
) -> bool:
    """Whether a chunk is failed: said so already, or found now that its tries are used up."""
    _, number, _, outcome, _, is_last = rows[-1]
    if is_last:
        return True
    if max_attempts is None or outcome not in ("failed", "abandoned") or used(rows) < max_attempts:
        return False
    driver.execute(
        "UPDATE attempts SET is_last = 1 WHERE job_id = ? AND chunk_index = ? AND number = ?",
        (job_id, rows[-1][0], number),
    )
    return True


def used(rows: Iterable[tuple[Any, ...]]) -> int:
    """Return how many of a chunk's attempts count against its limit."""
    return sum(1 for row in rows if row[4] and row[3] in ("failed", "abandoned"))


def fail(
    driver: sqlite3.Connection,
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
    rows = driver.execute(_ATTEMPTS_IN.text, (job_id, index, index + 1)).fetchall()
    at = now()
    if number is None or all(row[1] != number for row in rows):  # not claimed; or the job was deleted meanwhile
        number = rows[-1][1] + 1 if rows else 1
        driver.execute(_BEGIN.text, (job_id, index, number, runner_id, at))
        rows.append((index, number, runner_id, "running", 1, 0))
    is_last = counted and used(rows) + 1 >= limit
    driver.execute(
        "UPDATE attempts SET outcome = 'failed', finished_at = ?, error = ?, seconds = ?, counted = ?, is_last = ? "
        "WHERE job_id = ? AND chunk_index = ? AND number = ?",
        (at, error, seconds, int(counted), int(is_last), job_id, index, number),
    )
    if is_last or not again:
        return None
    following: int = max(row[1] for row in rows) + 1
    driver.execute(_BEGIN.text, (job_id, index, following, runner_id, at))
    return following


def release(driver: sqlite3.Connection, job_id: str, claims: Iterable[Claim], *, begun: bool) -> None:
    """Let go of claims: what was begun is in doubt, and of what was not nothing is kept."""
    where = "WHERE job_id = ? AND chunk_index = ? AND number = ? AND outcome = 'running'"
    rows = [(job_id, *claim) for claim in claims]
    if begun:
        ended = "UPDATE attempts SET outcome = 'abandoned', counted = 0, finished_at = ? "
        driver.executemany(ended + where, [(now(), *row) for row in rows])
    else:
        driver.executemany("DELETE FROM attempts " + where, rows)  # noqa: S608 - our own words
