"""Statements about the chunks of a job, in pages: their keys, attempts and results, and the account of each chunk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.money import ChunkAccount
from checkpoint_store.model.records import AttemptRecord, CompletionRecord
from checkpoint_store.storage.sql import (
    attempts,
    bindparam,
    case,
    chunk_keys,
    completed_chunks,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from checkpoint_store.storage.statements import rows
from checkpoint_store.storage.statements.attempts.attempt_log import runner_notes
from checkpoint_store.storage.statements.compiled import at_chunk, insert_into
from checkpoint_store.storage.statements.rows import read_row
from checkpoint_store.storage.statements.statement import Statement, named_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path


_K: Final = chunk_keys.c
_IN_JOB: Final[Any] = _K.job_id == bindparam("in_job")
_ALL: Final = Statement(select(_K.chunk_index, _K.key).where(_IN_JOB).order_by(_K.chunk_index))
_REMOVE: Final = Statement(chunk_keys.delete().where(_IN_JOB, _K.chunk_index >= bindparam("start")))
_ADD: Final = insert_into("chunk_keys")
HAS_KEYS: Final = Statement(select(_K.chunk_index).where(_IN_JOB).limit(literal_column("1")), order=("in_job",))
INDEX_OF: Final = Statement(
    select(_K.chunk_index).where(_IN_JOB, _K.key == bindparam("its_key")), order=("in_job", "its_key")
)
KEY_AT: Final = Statement(select(_K.key).where(*at_chunk(_K)), order=("in_job", "at_index"))


def all_of(connection: sqlite3.Connection, job_id: str) -> list[tuple[int, str]]:
    """Return the index and the stored key of each chunk of a job that has one, by index."""
    return _ALL.run(connection, in_job=job_id).fetchall()


def put(connection: sqlite3.Connection, job_id: str, keys: Sequence[str]) -> None:
    """Set the keys of the chunks of a job, in index order; an unchanged key is not written."""
    stored = all_of(connection, job_id)
    same = 0
    while same < min(len(stored), len(keys)) and stored[same] == (same, keys[same]):
        same += 1
    if same < len(stored):
        _REMOVE.run(connection, in_job=job_id, start=same)
    rows = [{"job_id": job_id, "chunk_index": index, "key": keys[index]} for index in range(same, len(keys))]
    _ADD.run_many(connection, rows)


_A: Final = attempts.c
_C: Final = completed_chunks.c
_IN_VAIN: Final[Any] = case(
    (
        or_(
            _A.outcome.in_([literal_column("'failed'"), literal_column("'abandoned'")]),
            _A.replaced_result_id.is_not(None),
        ),
        _A.cost,
    )
)
_ATTEMPT_SUMS: Final = Statement(
    select(_A.chunk_index, func.count(), func.sum(_A.seconds), func.sum(_IN_VAIN))
    .where(_A.job_id == bindparam("in_job"))
    .group_by(_A.chunk_index)
)
_CARRIED: Final = Statement(
    select(_C.chunk_index).where(_C.job_id == bindparam("in_job"), _C.source_job_id.is_not(None))
)


def accounts(connection: sqlite3.Connection, job_id: str) -> dict[int, ChunkAccount]:
    """Return the account of each chunk that was tried or carried over; by index, in no order."""
    attempts = {index: sums for index, *sums in _ATTEMPT_SUMS.run(connection, in_job=job_id)}
    carried = {index for (index,) in _CARRIED.run(connection, in_job=job_id)}

    def account(index: int) -> ChunkAccount:
        count, seconds, failed_cost = attempts.get(index, (0, None, None))
        return ChunkAccount(count, seconds, failed_cost, index in carried)

    return {index: account(index) for index in attempts.keys() | carried}


PAGE_ROWS: Final = 4096
"""The most rows of a page; a page of fewer is the last one."""
_LATER: Final[Any] = tuple_(_A.chunk_index, _A.number) > tuple_(bindparam("after_index"), bindparam("after_number"))
_ATTEMPTS: Final = Statement(
    select(*(_A[name] for name in rows.ATTEMPT if name != "replaced_result_id"))
    .where(_A.job_id == bindparam("in_job"), _LATER)
    .order_by(_A.chunk_index, _A.number)
    .limit(bindparam("rows"))
)
_COMPLETIONS: Final = Statement(
    select(*(_C[name] for name in CompletionRecord.__slots__))
    .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after_index"))
    .order_by(_C.chunk_index)
    .limit(bindparam("rows"))
)


def attempt_page(
    connection: sqlite3.Connection, job_id: str, path: Path, after: tuple[int, int]
) -> tuple[list[AttemptRecord], tuple[int, int] | None]:
    """Return the attempts after one (chunk index, number), and the last one read; None where no more are left.

    An attempt in the hand of a dead runner is ``abandoned``. An attempt that its runner has claimed and not begun is
    left out.
    """
    index, number = after
    stored = named_rows(
        _ATTEMPTS.run(connection, in_job=job_id, after_index=index, after_number=number, rows=PAGE_ROWS)
    )
    read = partial(read_row, "attempts", rows.ATTEMPT, path=path, job_id=job_id)
    made = [read(row) for row in stored]
    is_any_running = any(attempt["outcome"] == AttemptOutcome.RUNNING for attempt in made)
    notes = runner_notes(connection, job_id, path) if is_any_running else {}
    last = (made[-1]["chunk_index"], made[-1]["number"]) if len(made) == PAGE_ROWS else None
    records = []
    for attempt in made:
        runner = notes.get(attempt["runner_id"]) if attempt["outcome"] == AttemptOutcome.RUNNING else None
        if runner is not None and not runner.has_begun(attempt["chunk_index"], attempt["number"]):
            continue
        if runner is not None and runner.is_dead:
            attempt["outcome"] = AttemptOutcome.ABANDONED.value
        attempt |= {"attempt": attempt.pop("number"), "runner": attempt.pop("runner_id")}
        attempt |= {name: bool(attempt[name]) for name in ("counted", "is_last")}
        records.append(AttemptRecord(**attempt))
    return records, last


def completion_page(connection: sqlite3.Connection, job_id: str, path: Path, after: int) -> list[CompletionRecord]:
    """Return the completed chunks after an index, by index: at most ``PAGE_ROWS``."""
    stored = named_rows(_COMPLETIONS.run(connection, in_job=job_id, after_index=after, rows=PAGE_ROWS))
    read = partial(read_row, "completed_chunks", rows.COMPLETED, path=path, job_id=job_id)
    return [CompletionRecord(**read(row)) for row in stored]
