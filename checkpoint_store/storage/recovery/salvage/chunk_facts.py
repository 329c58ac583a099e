"""Salvage the facts of a store about single chunks, besides results: keys, handles, and redo marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.recovery.salvage.copies import UNKNOWN_TIME, rows_by_job, select_from, unreadable_in
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import insert_into
from checkpoint_store.storage.statements.rows import COLUMNS, READERS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from checkpoint_store.storage.recovery.salvage.copies import Copy

_NOUNS: Final = {"chunk_keys": "keys", "chunk_handles": "handles", "chunk_redos": "redo marks"}
"""The name of a table's rows in a report."""
_IN_PLACE_OF_UNREAD: Final = {"fingerprint": None, "recorded_at": UNKNOWN_TIME, "after_attempt": 0}
"""The neutral values of columns without which a fact is of use."""


def read(connection: sqlite3.Connection, copy: Copy, totals: Mapping[str, int]) -> None:
    """Fill in the facts that a copy has of the chunks of these jobs."""
    for table in _NOUNS:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            copy.facts_read |= {(table, job_id) for job_id in totals}
            continue
        names = [name for name in COLUMNS[table] if name not in ("job_id", "chunk_index")]
        every_fact = select_from(connection, table, ("chunk_index", *names))
        statement = f"{every_fact} WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index"

        def fetch(job_id: str, start: int, statement: str = statement) -> Iterator[tuple[Any, ...]]:
            return connection.execute(statement, (job_id, start))

        for job_id, total in totals.items():
            was_complete, copy.complete = copy.complete, True
            for _, (index, *values) in rows_by_job(copy, fetch, {job_id: total}):
                fact = dict(zip(names, values, strict=True))
                unread = unreadable_in(READERS[table], fact)
                copy.complete = copy.complete and not unread
                if unread <= _IN_PLACE_OF_UNREAD.keys():
                    in_place = {name: _IN_PLACE_OF_UNREAD[name] for name in unread}
                    copy.facts.setdefault((table, job_id), {})[index] = fact | in_place
            if copy.complete:
                copy.facts_read.add((table, job_id))
            copy.complete = copy.complete and was_complete


def carry_over(connection: sqlite3.Connection, job_id: str, total: int, copies: Sequence[Copy]) -> str | None:
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
        if rows := [{"job_id": job_id, "chunk_index": index} | fact for index, fact in sorted(taken.items())]:
            insert_into(table).run_many(connection, rows)
    redos.correct_copied_marks(connection, job_id)
    best = next((copy for copy in having if not copy.state), None)
    unread = [] if best is None else [noun for table, noun in _NOUNS.items() if (table, job_id) not in best.facts_read]
    return f"{', '.join(unread)} of its chunks may be missing" if unread else None


def _without_twins(taken: Mapping[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the keys, each for one chunk only: copies of different times may give a key to two chunks."""
    chunk_of = {fact["key"]: index for index, fact in sorted(taken.items(), reverse=True)}
    return {index: fact for index, fact in taken.items() if chunk_of[fact["key"]] == index}
