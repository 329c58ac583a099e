"""Salvage what a damaged store knows about its chunks besides results: attempts, runners, keys, handles, redo marks.

A recovery goes on without those that cannot be read, and its report says so. A failed chunk stays failed, and a chunk
in work is in doubt.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.storage.recovery.salvage.copies import (
    UNKNOWN_TIME,
    AttemptLog,
    rows,
    rows_by_job,
    select_from,
    unreadable_in,
)
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.attempts.replaced import with_result_elsewhere
from checkpoint_store.storage.statements.compiled import insert_into
from checkpoint_store.storage.statements.rows import ATTEMPT, COLUMNS, READERS, RUNNER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from checkpoint_store.storage.recovery.salvage.copies import Copy

_ATTEMPT: Final = tuple(name for name in COLUMNS["attempts"] if name not in ("job_id", "chunk_index"))
_RUNNER: Final = COLUMNS["runners"]
_RUNNERS_MAX: Final = 1 << 40
_NOUNS: Final = {"chunk_keys": "keys", "chunk_handles": "handles", "chunk_redos": "redo marks"}
"""The tables of facts about chunks, and the name of their rows in a report."""
_IN_PLACE_OF_UNREAD: Final = {"fingerprint": None, "recorded_at": UNKNOWN_TIME, "after_attempt": 0}
"""The neutral values of columns without which a fact is of use."""


def read_attempts(connection: sqlite3.Connection, totals: Mapping[str, int]) -> AttemptLog:
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

    for job_id, total in totals.items():
        for index, made in rows(log, partial(fetch, job_id), 0, total - 1):
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


def write_attempts(connection: sqlite3.Connection, job_id: str, total: int, copies: Sequence[Copy]) -> str | None:
    """Write the attempts of a job, for each chunk from the best copy with the most attempts.

    Returns a sentence for the report if attempts may be missing, or no copy can have any; otherwise None.
    """
    copies = [copy for copy in copies if job_id in copy.jobs]
    having = [copy for copy in copies if copy.attempt_log.known]
    taken: dict[int, list[dict[str, Any]]] = {}
    for copy in having:
        for index, made in copy.attempt_log.attempts.get(job_id, {}).items():
            # Attempts become more, unless some are lost.
            if 0 <= index < total and len(made) > len(taken.get(index, ())):
                taken[index] = [with_result_elsewhere(_over(attempt) if copy.backup else attempt) for attempt in made]
        if copy.attempt_log.complete:
            break  # an attempt that it lacks never existed, or was deleted
    rows = [{"job_id": job_id, "chunk_index": index} | attempt for index, made in taken.items() for attempt in made]
    insert_into("attempts").run_many(connection, rows)
    if having:
        best = having[0]
        is_whole = best.attempt_log.complete and not best.backup
        return None if is_whole else f"tries at its chunks are as {best.name} has them"
    return "no copy knows of tries at its chunks" if all(copy.state for copy in copies) else None


def _over(attempt: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt as abandoned if it was in work when the backup was made: nobody knows its outcome."""
    if attempt["outcome"] != AttemptOutcome.RUNNING:
        return attempt
    return attempt | {"outcome": AttemptOutcome.ABANDONED.value, "finished_at": now(), "counted": 0}


def write_runners(connection: sqlite3.Connection, jobs: Sequence[str], copies: Sequence[Copy]) -> None:
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
    insert_into("runners").run_many(connection, rows.values())


def read_facts(connection: sqlite3.Connection, copy: Copy, totals: Mapping[str, int]) -> None:
    """Fill in the facts that a copy has of the chunks of these jobs."""
    for table in _NOUNS:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            copy.facts_read |= {(table, job_id) for job_id in totals}
            continue
        names = [name for name in COLUMNS[table] if name not in ("job_id", "chunk_index")]
        for job_id, total in totals.items():
            was_complete, copy.complete = copy.complete, True
            for _, (index, *values) in rows_by_job(copy, connection, table, names, {job_id: total}):
                fact = dict(zip(names, values, strict=True))
                unread = unreadable_in(READERS[table], fact)
                copy.complete = copy.complete and not unread
                if unread <= _IN_PLACE_OF_UNREAD.keys():
                    in_place = {name: _IN_PLACE_OF_UNREAD[name] for name in unread}
                    copy.facts.setdefault((table, job_id), {})[index] = fact | in_place
            if copy.complete:
                copy.facts_read.add((table, job_id))
            copy.complete = copy.complete and was_complete


def write_facts(connection: sqlite3.Connection, job_id: str, total: int, copies: Sequence[Copy]) -> str | None:
    """Write the facts of the copies about the chunks of a job, each from the best copy that has it.

    Redo marks come from the best copy alone: a mark in an older copy may be answered since.

    Returns a sentence for the report if the best copy cannot be read in full; otherwise None.
    """
    having = [copy for copy in copies if job_id in copy.jobs]
    having = [copy for copy in having if not copy.state] or having
    for table in _NOUNS:
        taken: dict[int, dict[str, Any]] = {}
        for copy in having[:1] if table == "chunk_redos" else having:
            for index, fact in copy.facts.get((table, job_id), {}).items():
                if 0 <= index < total:
                    taken.setdefault(index, fact)
            if copy.complete:
                break  # a fact that it lacks never existed, or was deleted
        if table == "chunk_keys":
            taken = _without_twins(taken)
        rows = ({"job_id": job_id, "chunk_index": index} | fact for index, fact in sorted(taken.items()))
        insert_into(table).run_many(connection, rows)
    redos.correct_copied_marks(connection, job_id)
    best = next((copy for copy in having if not copy.state), None)
    unread = [] if best is None else [noun for table, noun in _NOUNS.items() if (table, job_id) not in best.facts_read]
    return f"{', '.join(unread)} of its chunks may be missing" if unread else None


def _without_twins(taken: Mapping[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the keys, each for one chunk only: copies of different times may give a key to two chunks."""
    chunk_of = {fact["key"]: index for index, fact in sorted(taken.items(), reverse=True)}
    return {index: fact for index, fact in taken.items() if chunk_of[fact["key"]] == index}
