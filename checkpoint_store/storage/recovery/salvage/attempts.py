"""Salvage attempts, and the runners that made them, from the copies of a damaged store.

An attempt is no result: a recovery goes on without unreadable attempts, and its report says so. A failed chunk stays
failed, and a chunk in work is in doubt.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.storage.recovery.salvage.copies import AttemptLog, rows, rows_by_job, select_from, unreadable_in
from checkpoint_store.storage.statements.attempts.replaced import with_result_elsewhere
from checkpoint_store.storage.statements.compiled import insert_into
from checkpoint_store.storage.statements.rows import ATTEMPT, COLUMNS, RUNNER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from checkpoint_store.storage.recovery.salvage.copies import Copy

_ATTEMPT: Final = tuple(name for name in COLUMNS["attempts"] if name not in ("job_id", "chunk_index"))
_RUNNER: Final = COLUMNS["runners"]
_RUNNERS_MAX: Final = 1 << 40


def read(connection: sqlite3.Connection, totals: Mapping[str, int]) -> AttemptLog:
    """Return the attempts that a copy has of these jobs; ``totals`` are their numbers of chunks."""
    log = AttemptLog()
    tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('attempts', 'runners')"
    log.known = connection.execute(tables).fetchone() == (2,)
    if not log.known:
        return log
    every_attempt = select_from(connection, "attempts", ("chunk_index", *_ATTEMPT))
    statement = f"{every_attempt} WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index, number"

    def fetch(job_id: str, start: int) -> Iterator[tuple[Any, ...]]:
        for index, made in groupby(connection.execute(statement, (job_id, start)), key=itemgetter(0)):
            yield index, [dict(zip(_ATTEMPT, values, strict=True)) for _, *values in made]

    for job_id, (index, made) in rows_by_job(log, fetch, totals):
        # By number: damage may give two attempts at a chunk one number, and the new store takes one of them.
        sound = {attempt["number"]: attempt for attempt in made if not unreadable_in(ATTEMPT, attempt)}
        log.complete = log.complete and len(sound) == len(made)
        log.attempts.setdefault(job_id, {})[index] = list(sound.values())
    every = f"{select_from(connection, 'runners')} WHERE runner_id >= ? ORDER BY runner_id"
    for row in rows(log, lambda key: connection.execute(every, (key,)), 0, _RUNNERS_MAX):
        runner = dict(zip(_RUNNER, row, strict=True))
        if unreadable_in(RUNNER, runner):
            log.complete = False
        else:
            log.runners.append(runner)
    return log


def carry_over(connection: sqlite3.Connection, job_id: str, total: int, copies: Sequence[Copy]) -> str | None:
    """Write the attempts of a job, for each chunk from the best copy with the most attempts.

    Returns a sentence for the report if attempts may be missing, or no copy can have any; otherwise None.
    """
    copies = [copy for copy in copies if job_id in copy.jobs]
    having = [copy for copy in copies if copy.attempt_log.known]
    taken: dict[int, list[dict[str, Any]]] = {}
    for copy in having:
        for index, made in copy.attempt_log.attempts.get(job_id, {}).items():
            if 0 <= index < total and len(made) > len(
                taken.get(index, ())
            ):  # attempts become more, unless some are lost
                taken[index] = [with_result_elsewhere(_over(attempt) if copy.backup else attempt) for attempt in made]
        if copy.attempt_log.complete:
            break  # an attempt that it lacks never existed, or was deleted
    rows = [{"job_id": job_id, "chunk_index": index} | attempt for index, made in taken.items() for attempt in made]
    if rows:
        insert_into("attempts").run_many(connection, rows)
    if having:
        best = having[0]
        return (
            f"tries at its chunks are as {best.name} has them" if best.backup or not best.attempt_log.complete else None
        )
    return "no copy knows of tries at its chunks" if all(copy.state for copy in copies) else None


def _over(attempt: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt as abandoned if it was in work when the backup was made: nobody knows its outcome."""
    if attempt["outcome"] != AttemptOutcome.RUNNING:
        return attempt
    return attempt | {"outcome": AttemptOutcome.ABANDONED.value, "finished_at": now(), "counted": 0}


def carry_over_runners(connection: sqlite3.Connection, jobs: Sequence[str], copies: Sequence[Copy]) -> None:
    """Write the runners of these jobs. A runner that was at work in a backup has ended.

    The locks tell which runners of the damaged store itself are alive.
    """
    rows: dict[int, dict[str, Any]] = {}
    locks: set[str] = set()
    for copy in copies:
        for runner in copy.attempt_log.runners:
            if runner["job_id"] in jobs and runner["runner_id"] not in rows and runner["lock_file"] not in locks:
                ended = {"ended_at": runner["ended_at"] or now()} if copy.backup else {}
                rows[runner["runner_id"]] = runner | ended
                locks.add(runner["lock_file"])
    if rows:
        insert_into("runners").run_many(connection, rows.values())
