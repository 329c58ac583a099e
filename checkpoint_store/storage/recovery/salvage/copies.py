"""The content of one surviving copy: the rows that can be read; and the choice among the results of all copies."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, Any, Final, Protocol

from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.statements.statement import select_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from checkpoint_store.storage.records.open_requests import Source
    from checkpoint_store.storage.statements.rows import Readers


def select_from(connection: sqlite3.Connection, table: str, names: Sequence[str] = ()) -> str:
    """Return a SELECT, without its conditions, of these columns of a copy's table (by default all), in their order.

    A column that the copy does not have reads as the default that its migration gives it, or as null.
    """
    present = _present(connection, table)
    wanted = names or COLUMNS[table]
    return select_text(table, (name if name in present else f"{_default(table, name)} AS {name}" for name in wanted))


def misnamed_columns(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the columns of ``jobs`` that a copy lacks because their names are damaged, and not by an older schema."""
    present, known = _present(connection, "jobs"), set(COLUMNS["jobs"])
    foreign = present - known
    return frozenset(name for name in known - present if any(_may_have_been(name, other) for other in foreign))


def _may_have_been(name: str, other: str) -> bool:
    """Whether damage may have made one name of the other; else a user has added a column."""
    return len(name) == len(other) and sum(map(eq, name, other)) * 2 >= len(name)


def _present(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _default(table: str, name: str) -> str:
    from checkpoint_store.storage.tables import metadata  # imports SQLAlchemy; only for a copy of an older schema

    default = metadata.tables[table].columns[name].server_default
    return "NULL" if default is None else str(getattr(default, "arg", "NULL"))


UNKNOWN_TIME: Final = "1970-01-01T00:00:00.000Z"


@dataclass(slots=True)
class AttemptLog:
    """The attempts at chunks, and the runners that made them, as one copy knows them."""

    attempts: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    """The attempts by job and chunk, in the order of their numbers."""
    runners: list[dict[str, Any]] = field(default_factory=list)
    known: bool = False
    """Whether the copy has the tables of attempts and runners. A copy of an older schema has none."""
    complete: bool = True
    """Whether all attempts and runners could be read."""


@dataclass(slots=True)
class Chunk:
    """A completed chunk as a copy has it. ``text`` is None if the copy lacks its result."""

    completed_at: str
    fingerprint: str | None
    digest: str | None
    text: str | None = None
    proven: bool = True
    """Whether the digest was stored beside the result, and not computed now from the text."""
    source: Source | None = None
    """The job and the chunk that paid for the result, where it was carried over."""
    answers: str | None = None
    """The time of the redo that the result answers; None if it answers none."""
    listed: bool = False
    """Whether its row in ``completed_chunks`` was read, which says who paid for the result, and what it answers."""
    differs_in: str | None = None
    """The settings in which a result that its own job paid for differs from that job: a JSON list."""


@dataclass(slots=True)
class Copy:
    """The content of one surviving copy. A digest of the copy verifies each result; a state file has no digests."""

    name: str
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    unread: dict[str, frozenset[str]] = field(default_factory=dict)
    """The columns of the row of a job that cannot be read, by job. The row has a neutral value for each."""
    chunks: dict[str, dict[int, Chunk]] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    """The time of the deletion, by deleted job."""
    complete: bool = True
    """Whether all of the copy could be read."""
    backup: bool = False
    """Whether the copy is a backup: older than the store."""
    state: bool = False
    """Whether it is a state file."""
    torn: bool = False
    """Whether it is a torn state file, of which only a part could be read."""
    attempt_log: AttemptLog = field(default_factory=AttemptLog)
    facts: dict[tuple[str, str], dict[int, dict[str, Any]]] = field(default_factory=dict)
    """Keys, handles, and what is to be done again: by table and job, then by chunk."""

    facts_read: set[tuple[str, str]] = field(default_factory=set)
    """The tables and jobs whose facts could all be read. A table that the copy's schema lacks counts as read."""
    foreign: tuple[str, ...] = ()
    """The tables, views, indexes, triggers and columns that no schema of the library has. No recovery takes them."""

    def chunk(self, job_id: str, index: int, at: str) -> Chunk:
        """Return the entry for a chunk, making it where it is not known yet."""
        return self.chunks.setdefault(job_id, {}).setdefault(index, Chunk(at, None, None))

    def lacks(self, other: Copy) -> bool:
        """Return whether another copy has a chunk that this copy lacks, of a job that was not deleted."""
        return any(
            chunks.keys() - self.chunks.get(job_id, {}).keys()
            for job_id, chunks in other.chunks.items()
            if job_id not in self.deleted
        )


class _Read(Protocol):
    """Something that is read, and notes whether all of it could be read."""

    complete: bool


_PATIENCE: Final = 512
"""Let this many keys in a row fail to read before the steps grow."""


def rows(
    copy: _Read, fetch: Callable[[int], Iterator[tuple[Any, ...]]], first: int, last: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows with keys from ``first`` to ``last``; ``fetch(k)`` gives those from key ``k``, key first.

    If a read fails, it continues one key further, so that a bad page costs only its own rows. ``copy`` is then not
    complete.
    """
    start, missed = first, 0
    while start <= last:
        try:
            for row in fetch(start):
                key, *_ = row
                if not isinstance(key, int) or key < start:
                    raise sqlite3.DatabaseError("a key is no number, or out of order")
                start, missed = key + 1, 0
                yield row
        except UNREADABLE:
            copy.complete = False
            missed += 1
            # The rows of a page are passed one by one. If more rows cannot be read, a part of the tree is damaged.
            start += 1 << max(0, missed - _PATIENCE)
        else:
            return


def rows_by_job(
    copy: _Read, connection: sqlite3.Connection, table: str, names: Sequence[str], totals: Mapping[str, int]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield (job, (chunk, columns of these names)) of a table with one row for a chunk, for the chunks of these jobs.

    ``totals``: the number of chunks of each job.
    """
    every = select_from(connection, table, ("chunk_index", *names))
    statement = f"{every} WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index"

    def fetch(job_id: str, start: int) -> Iterator[tuple[Any, ...]]:
        return connection.execute(statement, (job_id, start))

    for job_id, total in totals.items():
        for row in rows(copy, partial(fetch, job_id), 0, total - 1):
            yield job_id, row


def unreadable_in(readers: Readers, row: Mapping[str, Any]) -> set[str]:
    """Return the columns of a row whose values are none that this library writes."""
    unreadable = set()
    for name, value in row.items():
        try:
            readers[name](value)
        except ValueError:
            unreadable.add(name)
    return unreadable


_EQUAL_DIGITS_MIN: Final = 24
"""A digest that has this many of the 32 digits of another is that digest, damaged."""


def best_result(job_id: str, index: int, copies: list[Copy]) -> tuple[str, Chunk] | None:
    """Return a chunk's sound result from the best copy; without a result only if no copy has one."""
    known = [(copy, copy.chunks[job_id][index]) for copy in copies if index in copy.chunks.get(job_id, {})]
    # The first digest is the newest: a result that was replaced since does not come back in its place.
    first = next(((copy, chunk.digest) for copy, chunk in known if chunk.digest is not None), None)
    fingerprint = next((chunk.fingerprint for _, chunk in known if chunk.fingerprint is not None), None)
    if first is None:
        (copy, chunk), *_ = known
        if all(copy.torn for copy, _ in known):  # its result stood behind the tear
            return None
        return copy.name, Chunk(chunk.completed_at, fingerprint, None)
    first_copy, wanted = first[0], _repaired(first[1], known)
    if (newer := _contradiction(job_id, wanted, first_copy, known)) is not None:
        if not any(chunk.proven and chunk.text is not None and chunk.digest == newer for _, chunk in known):
            return None
        wanted = newer  # the state file says what a sound copy says: it is later, and not damaged
    proven = any(chunk.proven for _, chunk in known if chunk.digest == wanted)
    for copy, chunk in known:
        if chunk.text is not None and chunk.digest == wanted:
            # An older copy may have an earlier result of the chunk, for which another job paid.
            row = next((other for _, other in known if other.listed and other.digest == wanted), chunk)
            taken = Chunk(chunk.completed_at, fingerprint, wanted, chunk.text, proven, row.source, row.answers)
            taken.differs_in = row.differs_in
            return copy.name, taken
    return None


def _repaired(wanted: str, known: list[tuple[Copy, Chunk]]) -> str:
    """Return the digest of the result whose digest a damaged bit made into ``wanted``; ``wanted`` if there is none.

    The digest of a result that is read fits its text. Two results have no more than a few equal digits by chance.
    """
    of_results = [chunk.digest for _, chunk in known if chunk.text is not None and chunk.digest is not None]
    alike = [digest for digest in of_results if sum(map(eq, digest, wanted)) >= _EQUAL_DIGITS_MIN]
    return wanted if wanted in of_results else next(iter(alike), wanted)


def _contradiction(job_id: str, wanted: str | None, first: Copy, known: list[tuple[Copy, Chunk]]) -> str | None:
    """Return the digest of the state file's result, if it contradicts the best copy, and may be newer; else None.

    Either the result was replaced later, or the state file was damaged. Unless another copy tells which, neither
    result is taken.
    A state file of the same time as a backup must say what the backup says. A state file with no more chunks than the
    store is older than the store.
    """
    state = next(((copy, chunk) for copy, chunk in known if not chunk.proven and chunk.digest is not None), None)
    if state is None or state[1].digest == wanted:
        return None
    its, own = state[0].jobs.get(job_id), first.jobs.get(job_id)
    if its is None or own is None:
        return state[1].digest
    is_ahead = bool(its["completed_count"] > own["completed_count"] or its["updated_at"] > own["updated_at"])
    return state[1].digest if is_ahead or (first.backup and its["updated_at"] != own["updated_at"]) else None
