"""Salvage the facts of a store about single chunks, besides results: keys, handles, and redo marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.recovery.salvage.copies import columns_of, rows_by_job
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import insert_into
from checkpoint_store.storage.statements.prepared import COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from checkpoint_store.storage.recovery.salvage.copies import Copy

FACTS: Final = ("chunk_keys", "chunk_handles", "chunk_redos")
_TEXTS: Final = {"key", "handle", "recorded_at", "asked_at"}


def read(connection: sqlite3.Connection, copy: Copy, totals: Mapping[str, int]) -> None:
    """Fill in the facts that a copy has of the chunks of these jobs."""
    for table in FACTS:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            continue
        names = [name for name in COLUMNS[table] if name not in ("job_id", "chunk_index")]
        statement = (
            f"SELECT chunk_index, {columns_of(connection, table, names)} FROM {table} "  # noqa: S608 - our own names
            "WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index"
        )
        for job_id, (index, *values) in rows_by_job(copy, connection, statement, totals):
            fact = dict(zip(names, values, strict=True))
            if _is_sound(fact):
                copy.facts.setdefault((table, job_id), {})[index] = fact
            else:
                copy.complete = False


def _is_sound(fact: Mapping[str, Any]) -> bool:
    is_whole = type(fact.get("after_attempt", 0)) is int
    return is_whole and all(isinstance(fact[name], str) for name in _TEXTS & fact.keys())


def carry_over(connection: sqlite3.Connection, job_id: str, total: int, copies: Sequence[Copy]) -> None:
    """Write the facts of the copies about the chunks of a job, each from the best copy that has it.

    Redo marks come from the best copy alone: a mark in an older copy may be answered since.
    """
    having = [copy for copy in copies if job_id in copy.jobs]
    having = [copy for copy in having if not copy.state] or having
    for table in FACTS:
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


def _without_twins(taken: Mapping[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the keys, each for one chunk only: copies of different times may give a key to two chunks."""
    chunk_of = {fact["key"]: index for index, fact in sorted(taken.items(), reverse=True)}
    return {index: fact for index, fact in taken.items() if chunk_of[fact["key"]] == index}
