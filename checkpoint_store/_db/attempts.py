"""Statements about attempts, the runners that make them, and wishes to pause."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, func, literal_column, or_, select

from checkpoint_store._db import lane
from checkpoint_store._db.driver import driver_of
from checkpoint_store._db.schema import attempts, completed_chunks, pauses, runners
from checkpoint_store.locks import overheard, sign_at
from checkpoint_store.state import ChunkRecord, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store.locks import LastWords

_A: Final = attempts.c
_FIRST_WIDTH: Final = 8
_MOST_WIDTH: Final = 4096
_TROUBLE: Final = _A.outcome.in_([literal_column("'failed'"), literal_column("'abandoned'")])

_COMPLETED_IN: Final = lane.Statement(
    lambda: select(completed_chunks.c.chunk_index).where(
        completed_chunks.c.job_id == bindparam("in_job"),
        completed_chunks.c.chunk_index >= bindparam("start"),
        completed_chunks.c.chunk_index < bindparam("stop"),
    ),
    order=("in_job", "start", "stop"),
)
_ATTEMPTS_IN: Final = lane.Statement(
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
_BEGIN: Final = lane.Statement(
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


class Runner(NamedTuple):
    """One row of ``runners``."""

    runner_id: int
    job_id: str
    lock_file: str
    host: str
    pid: int
    exclusive: bool
    started_at: str


class Claim(NamedTuple):
    """A chunk that is this runner's to work on, and the number of its attempt."""

    chunk_index: int
    number: int


class Found(NamedTuple):
    """What a search for chunks came to."""

    claims: list[Claim]
    held: list[tuple[int, int]]
    """The chunks that are in someone's hand, and in which runner's."""
    next_index: int
    """Where to go on."""


def runners_at_work(connection: Connection, job_id: str | None = None) -> list[Runner]:
    """Return the runners (of a job) that have not ended, as far as the store knows: some may have died."""
    columns = [runners.c[name] for name in Runner._fields]
    statement = select(*columns).where(runners.c.ended_at.is_(None)).order_by(runners.c.runner_id)
    if job_id is not None:
        statement = statement.where(runners.c.job_id == job_id)
    return [Runner(*row) for row in connection.execute(statement)]


def add_runner(connection: Connection, job_id: str, lock_file: str, host: str, pid: int, *, exclusive: bool) -> int:
    """Record a runner, which holds its lock file already, and return its id."""
    values = {"job_id": job_id, "lock_file": lock_file, "host": host, "pid": pid, "exclusive": int(exclusive)}
    added = connection.execute(runners.insert().values(**values, started_at=now()))
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def is_runner_of(connection: Connection, runner_id: int, job_id: str) -> bool:
    """Whether a runner is known as one of this job: both may have been deleted."""
    known = select(runners.c.runner_id).where(runners.c.runner_id == runner_id, runners.c.job_id == job_id)
    return connection.execute(known).first() is not None


def make_exclusive(connection: Connection, runner_id: int) -> None:
    """Record that a runner has the job for itself."""
    connection.execute(runners.update().where(runners.c.runner_id == runner_id).values(exclusive=1))


def lock_file_of(connection: Connection, runner_id: int) -> str | None:
    """Return the lock file of a runner that has not ended, as far as the store knows."""
    statement = select(runners.c.lock_file).where(runners.c.runner_id == runner_id, runners.c.ended_at.is_(None))
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


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


def retry_failed(connection: Connection, job_id: str, indices: Sequence[int] | None = None) -> int:
    """Give failed chunks (of these indices) their attempts back, and return how many chunks those are."""
    failed = select(_A.chunk_index).where(_A.job_id == job_id, _TROUBLE, _A.is_last == 1, ~_is_complete())
    found = list(connection.execute(failed).scalars())
    if indices is not None:
        found = sorted(set(found) & set(indices))
    freed = attempts.update().where(_A.job_id == job_id, _A.chunk_index == bindparam("at_index"))
    if found:
        connection.execute(freed.values(counted=0, is_last=0), [{"at_index": index} for index in found])
    return len(found)


def _is_complete() -> Any:
    done = completed_chunks.c
    return select(done.chunk_index).where(done.job_id == _A.job_id, done.chunk_index == _A.chunk_index).exists()


def latest(connection: Connection, job_id: str, path: Path, *, outcomes: Sequence[str]) -> list[ChunkRecord]:
    """Return the last attempt at each chunk that is not complete, where it has one of these outcomes, by index.

    What a runner that is gone had in hand is ``abandoned``, also where nobody has recorded that yet.
    """
    later = attempts.alias()
    same = and_(later.c.job_id == _A.job_id, later.c.chunk_index == _A.chunk_index, later.c.number > _A.number)
    columns = [_A.chunk_index, _A.number, _A.outcome, _A.error, _A.started_at, _A.finished_at, _A.seconds]
    looked_for = {*outcomes, "running"} if "abandoned" in outcomes else set(outcomes)
    # Each outcome by the index that is made for it.
    wanted = or_(*(_A.outcome == literal_column(f"'{outcome}'") for outcome in sorted(looked_for)))
    statement = (
        select(*columns, _A.is_last, _A.runner_id)
        .where(_A.job_id == job_id, wanted, ~select(later.c.number).where(same).exists(), ~_is_complete())
        .order_by(_A.chunk_index)
    )
    rows = connection.execute(statement).all()
    gone = _gone(connection, job_id, path) if "running" in looked_for and rows else {}
    records = []
    for row in rows:
        record, runner_id = ChunkRecord(*row[:7], is_last=bool(row[7])), row[8]
        if record.outcome == "running" and runner_id in gone:
            begun = gone[runner_id].begun
            if begun is not None and (record.chunk_index, record.attempt) not in begun:
                continue  # claimed, and nothing else
            record = replace(record, outcome="abandoned")
        records.append(record)
    return [record for record in records if record.outcome in outcomes]


def _gone(connection: Connection, job_id: str, path: Path) -> dict[int, LastWords]:
    """Return the runners of a job that died, and were not missed yet."""
    found = {}
    for runner in runners_at_work(connection, job_id):
        words = overheard(sign_at(path, runner.lock_file))
        if words is not None:
            found[runner.runner_id] = words
    return found


def counts(connection: Connection, job_id: str, path: Path) -> tuple[int, int]:
    """Return how many chunks are failed, and how many are in doubt."""
    records = latest(connection, job_id, path, outcomes=("failed", "abandoned"))
    failed = sum(record.is_last for record in records)
    return failed, sum(record.outcome == "abandoned" for record in records)


def seconds_of(connection: Connection, job_id: str) -> tuple[int, float]:
    """Return how many attempts were completed, and how long they took together."""
    statement = select(func.count(_A.seconds), func.total(_A.seconds)).where(
        _A.job_id == job_id, _A.outcome == "completed"
    )
    row = connection.execute(statement).one()
    return row[0], row[1]


def ask_to_pause(connection: Connection, job_id: str) -> None:
    """Record the wish that every loop on this job ends."""
    connection.execute(pauses.insert().values(job_id=job_id, asked_at=now()))


def clear_pauses(connection: Connection, job_id: str) -> None:
    """Take the wish back, for the loops that have not noticed it yet."""
    standing = pauses.c.job_id == job_id, pauses.c.cleared_at.is_(None)
    connection.execute(pauses.update().where(*standing).values(cleared_at=now()))


LAST_PAUSE: Final = "SELECT coalesce(max(pause_id), 0) FROM pauses WHERE job_id = ? AND cleared_at IS NULL"
