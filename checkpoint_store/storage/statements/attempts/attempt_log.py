"""Statements that read attempts for people, and that free failed chunks."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.chunks import key_from
from checkpoint_store.model.records import ChunkRecord
from checkpoint_store.storage.runner_lock import begun_by, probe, runner_lock_path
from checkpoint_store.storage.sql import (
    and_,
    attempts,
    bindparam,
    chunk_handles,
    chunk_keys,
    completed_chunks,
    func,
    jobs,
    literal_column,
    select,
)
from checkpoint_store.storage.statements import redos, rows
from checkpoint_store.storage.statements.attempts.attempts import literal
from checkpoint_store.storage.statements.attempts.runners import runners_at_work
from checkpoint_store.storage.statements.compiled import at_chunk, of_same_chunk
from checkpoint_store.storage.statements.rows import read_row
from checkpoint_store.storage.statements.statement import Statement, named_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Select

_A: Final = attempts.c
_H: Final = chunk_handles.c
_K: Final = chunk_keys.c
TROUBLE: Final = _A.outcome.in_([literal(AttemptOutcome.FAILED), literal(AttemptOutcome.ABANDONED)])
_IN_JOB: Final[Any] = _A.job_id == bindparam("in_job")
IN_JOB_BY_RANGE: Final[Any] = _A.job_id.between(bindparam("in_job"), bindparam("in_job"))
"""For a range SQLite seeks the job in an index of few attempts, as of the failed ones. For an equal sign it would read
all attempts of the job; with a plus before the column, the failed attempts of all jobs.
"""
IN_JOB_BY_RUNNING: Final[Any] = literal_column("+attempts.job_id") == bindparam("in_job")
"""With the plus SQLite reads the index of running attempts, which are few, and not all attempts of the job."""
_RUNNING: Final = IN_JOB_BY_RUNNING, _A.outcome == literal(AttemptOutcome.RUNNING)
_LOOKED_FOR: Final = _A.outcome.in_([bindparam("outcome"), bindparam("other_outcome")])


_WANTED: Final = func.json_each(bindparam("numbers")).table_valued("value", name="wanted")


def of_jobs(columns: Select[Any]) -> Select[Any]:
    """Select from the attempts of the jobs with these ``numbers``, a JSON list.

    SQLite seeks each job in the index of the attempts that are asked for, and reads the attempts of no other job. The
    list has numbers, because ``json_each`` cuts a text, such as an id of a job, at a NUL.
    """
    wanted = columns.select_from(_WANTED).join(jobs, jobs.c.job_number == _WANTED.c.value)
    return wanted.join(attempts, _A.job_id.between(jobs.c.job_id, jobs.c.job_id))


def is_complete(attempt: Any = _A) -> ColumnElement[bool]:
    """Return the condition that the chunk of an attempt (its columns) is complete.

    A chunk that is to be done again is incomplete for attempts since its redo mark.
    """
    done = completed_chunks.c
    has_completion = select(done.chunk_index).where(*of_same_chunk(done, attempt)).exists()
    return and_(has_completion, ~redos.is_marked(attempt, before=attempt.number))


def is_last_and_incomplete() -> tuple[Any, Any]:
    """Return the conditions that no later attempt at the chunk is there, and that the chunk is not complete."""
    later = attempts.alias()
    same = of_same_chunk(later.c, _A)
    return ~select(later.c.number).where(*same, later.c.number > _A.number).exists(), ~is_complete()


_FAILED_CHUNKS: Final = Statement(
    select(_A.chunk_index).where(IN_JOB_BY_RANGE, TROUBLE, _A.is_last == 1, ~is_complete()).order_by(_A.chunk_index)
)
_SECONDS: Final = Statement(
    select(func.count(_A.seconds), func.total(_A.seconds)).where(
        _IN_JOB, _A.outcome == literal(AttemptOutcome.COMPLETED)
    )
)


def _shown_columns() -> list[Any]:
    its_handle = select(_H.handle).where(*of_same_chunk(_H, _A)).scalar_subquery()
    its_key = select(_K.key).where(*of_same_chunk(_K, _A)).scalar_subquery()
    return [*(_A[name] for name in rows.BRIEF_ATTEMPT), its_handle.label("handle"), its_key.label("key")]


_EARLIER: Final = Statement(
    select(*_shown_columns())
    .where(*at_chunk(_A), _A.number < bindparam("before"), ~is_complete())
    .order_by(_A.number.desc())
    .limit(1)
)


def _last_of(*kind: Any) -> Select[Any]:
    return select(*_shown_columns()).where(*kind, *is_last_and_incomplete())


# Each finds the attempts by an index: other attempts may be a million.
_LAST_RUNNING: Final = Statement(_last_of(*_RUNNING))
_LAST_IN_TROUBLE: Final = Statement(_last_of(IN_JOB_BY_RANGE, TROUBLE, _LOOKED_FOR))


def retry_failed(connection: sqlite3.Connection, job_id: str, indices: Sequence[int] | None = None) -> int:
    """Give failed chunks (None: all) their attempts back, and return the number of these chunks."""
    failed = [index for (index,) in _FAILED_CHUNKS.run(connection, in_job=job_id)]
    if indices is not None:
        failed = sorted(set(failed) & set(indices))
    redos.NO_LONGER_COUNTED.run_many(connection, [{"in_job": job_id, "at_index": index} for index in failed])
    return len(failed)


def latest(connection: sqlite3.Connection, job_id: str, path: Path, *, outcomes: Sequence[str]) -> list[ChunkRecord]:
    """Return the last attempt at each incomplete chunk, if it is running, failed or abandoned as asked for, by index.

    An attempt in the hand of a dead runner is ``abandoned``, even if nobody has recorded that yet. An attempt that its
    runner has claimed and not begun does not count: the attempt before it is the last one.
    """
    in_trouble = sorted({*map(str, outcomes)} - {str(AttemptOutcome.RUNNING)})
    last_attempts = named_rows(_LAST_RUNNING.run(connection, in_job=job_id))
    if in_trouble:
        kinds = {"outcome": in_trouble[0], "other_outcome": in_trouble[-1]}
        last_attempts += named_rows(_LAST_IN_TROUBLE.run(connection, in_job=job_id, **kinds))
    last_attempts.sort(key=itemgetter("chunk_index"))
    is_any_running = any(row["outcome"] == AttemptOutcome.RUNNING for row in last_attempts)
    runners = runner_notes(connection, job_id, path) if is_any_running else {}
    records = []
    for row in last_attempts:
        runner = runners.get(row["runner_id"]) if row["outcome"] == AttemptOutcome.RUNNING else None
        attempt: Mapping[str, Any] | None = row
        if runner is not None and not runner.has_begun(row["chunk_index"], row["number"]):
            claimed = {"in_job": job_id, "at_index": row["chunk_index"], "before": row["number"]}
            attempt, runner = next(iter(named_rows(_EARLIER.run(connection, **claimed))), None), None
        if attempt is not None:
            record = _record_of(attempt, path, job_id)
            is_gone = runner is not None and runner.is_dead
            records.append(replace(record, outcome=AttemptOutcome.ABANDONED.value) if is_gone else record)
    return [record for record in records if record.outcome in outcomes]


def _record_of(stored: Mapping[str, Any], path: Path, job_id: str) -> ChunkRecord:
    row = read_row("attempts", rows.SHOWN_ATTEMPT, stored, path, job_id)
    del row["runner_id"]
    key = row.pop("key")
    row["key"] = None if key is None else key_from(key)
    return ChunkRecord(attempt=row.pop("number"), is_last=bool(row.pop("is_last")), **row)


class RunnerNotes(NamedTuple):
    """The notes in the lock file of a runner."""

    job_id: str
    is_dead: bool
    begun: frozenset[tuple[int, int]] | None
    """The attempts that it has begun; None: any of its attempts may have begun."""

    def has_begun(self, chunk_index: int, number: int) -> bool:
        """Whether its work on this attempt may have begun; otherwise the chunk is only claimed."""
        return self.begun is None or (chunk_index, number) in self.begun


def runner_notes(connection: sqlite3.Connection, job_id: str | None, path: Path) -> dict[int, RunnerNotes]:
    """Return the notes of each runner (of a job) that has not ended, as far as the store knows, by runner id."""
    notes = {}
    for runner in runners_at_work(connection, job_id):
        lock = runner_lock_path(path, runner.lock_file)
        dead = probe(lock)
        notes[runner.runner_id] = RunnerNotes(runner.job_id, dead is not None, (dead or begun_by(lock)).begun)
    return notes


def seconds_of(connection: sqlite3.Connection, job_id: str) -> tuple[int, float]:
    """Return the number of completed attempts of a job, and the sum of their times in seconds."""
    row: tuple[int, float] = _SECONDS.run(connection, in_job=job_id).fetchone()
    return row
