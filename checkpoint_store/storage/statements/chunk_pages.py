"""Statements that read all attempts, and all completed chunks, of a job: in pages, in the order of the chunks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.records import AttemptRecord, CompletionRecord
from checkpoint_store.storage.sql import attempts, bindparam, completed_chunks, select, tuple_
from checkpoint_store.storage.statements import rows
from checkpoint_store.storage.statements.attempt_log import runner_notes
from checkpoint_store.storage.statements.rows import read_row
from checkpoint_store.storage.statements.statement import Statement, named_rows

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_A: Final = attempts.c
_C: Final = completed_chunks.c
PAGE_ROWS: Final = 4096
"""The most rows of a page; a page of fewer is the last one."""
_LATER: Final[Any] = tuple_(_A.chunk_index, _A.number) > tuple_(bindparam("after_index"), bindparam("after_number"))
_ATTEMPTS: Final = Statement(
    lambda: (
        select(*(_A[name] for name in rows.EVERY_ATTEMPT))
        .where(_A.job_id == bindparam("in_job"), _LATER)
        .order_by(_A.chunk_index, _A.number)
        .limit(bindparam("rows"))
    )
)
_COMPLETIONS: Final = Statement(
    lambda: (
        select(*(_C[name] for name in rows.EVERY_COMPLETION))
        .where(_C.job_id == bindparam("in_job"), _C.chunk_index > bindparam("after_index"))
        .order_by(_C.chunk_index)
        .limit(bindparam("rows"))
    )
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
    read = partial(read_row, "attempts", rows.EVERY_ATTEMPT, path=path, job_id=job_id)
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
        records.append(_attempt_record(attempt))
    return records, last


def _attempt_record(values: dict[str, Any]) -> AttemptRecord:
    return AttemptRecord(
        attempt=values.pop("number"),
        runner=values.pop("runner_id"),
        counted=bool(values.pop("counted")),
        is_last=bool(values.pop("is_last")),
        **values,
    )


def completion_page(connection: sqlite3.Connection, job_id: str, path: Path, after: int) -> list[CompletionRecord]:
    """Return the completed chunks after an index, by index: at most ``PAGE_ROWS``."""
    stored = named_rows(_COMPLETIONS.run(connection, in_job=job_id, after_index=after, rows=PAGE_ROWS))
    read = partial(read_row, "completed_chunks", rows.EVERY_COMPLETION, path=path, job_id=job_id)
    return [CompletionRecord(**read(row)) for row in stored]
