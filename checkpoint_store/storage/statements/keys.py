"""Statements about keys: the caller's names of the chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.sql import bindparam, chunk_keys, literal_column, select
from checkpoint_store.storage.statements.compiled import at_chunk, insert_into
from checkpoint_store.storage.statements.statement import Statement, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlalchemy import Select

_K: Final = chunk_keys.c
_IN_JOB: Final[Any] = _K.job_id == bindparam("in_job")
_ALL: Final = Statement(lambda: select(_K.chunk_index, _K.key).where(_IN_JOB).order_by(_K.chunk_index))
_REMOVE: Final = Statement(lambda: chunk_keys.delete().where(_IN_JOB, _K.chunk_index >= bindparam("start")))
_ADD: Final = insert_into("chunk_keys")
HAS_KEYS: Final = Statement(lambda: select(_K.chunk_index).where(_IN_JOB).limit(literal_column("1")))
KEY_AT: Final = Statement(lambda: select(_K.key).where(*at_chunk(_K)), order=("in_job", "at_index"))


@statement_for_arguments
def index_of(count: int) -> Select[Any]:
    """Return the statement that finds the chunk whose key is one of this many spellings."""
    names: list[Any] = [bindparam(f"key_{number}") for number in range(count)]
    return select(_K.chunk_index).where(_IN_JOB, _K.key.in_(names))


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
