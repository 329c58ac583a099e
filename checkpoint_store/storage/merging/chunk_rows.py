"""Merge what another store knows about chunks besides results: attempts, runners, keys, handles and redo marks.

A repeated merge adds no attempt twice.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.money import usual_cost_in
from checkpoint_store.storage.sql import attempts, bindparam, runners, select
from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements.attempts.attempts import THIS
from checkpoint_store.storage.statements.attempts.replaced import with_result_elsewhere
from checkpoint_store.storage.statements.compiled import PRESENT, at_chunk, insert_into, rows_of_job
from checkpoint_store.storage.statements.rows import COLUMNS, READERS
from checkpoint_store.storage.statements.statement import Statement, named_rows, select_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterator, Mapping


class _AttemptHere(NamedTuple):
    """An attempt that this store has."""

    number: int
    runner_id: int
    started_at: str
    finished_at: str | None
    outcome: str


_A: Final = attempts.c
_W: Final = runners.c
_COLUMNS: Final = COLUMNS["attempts"]
_RUNNER: Final = COLUMNS["runners"][1:]
"""The columns of a runner without its id."""
_BEGUN: Final = ("chunk_index", "number", "runner_id", "started_at")
_ENDED: Final = tuple(name for name in READERS["attempts"] if name not in _BEGUN)
"""The columns of an attempt that has ended."""
_ABSENT: Final = (None, None, None, None)
_ATTEMPTS: Final = Statement(f"{select_text('attempts', _COLUMNS)} WHERE job_id = :in_job ORDER BY chunk_index, number")
_HERE: Final = Statement(select(*(_A[name] for name in _AttemptHere._fields)).where(*at_chunk(_A)).order_by(_A.number))
_BY_LOCK_FILE: Final = Statement(select(_W.runner_id).where(_W.lock_file == bindparam("its_lock_file")))
_UPDATE: Final = Statement(attempts.update().where(*THIS).values({name: bindparam(f"new_{name}") for name in _ENDED}))


class LeftOut(NamedTuple):
    """A result of the other store that is not taken: another result of its chunk is kept here."""

    text: str
    completed_at: str
    may_be_of_no_attempt: bool
    """Whether the other store paid for it and tells when, so that an attempt may be made for it if it has none."""

    def is_of(self, attempt: Mapping[str, Any]) -> bool:
        """Whether an attempt made this result. An attempt that ended before made an earlier result of the chunk."""
        is_of_a_result = attempt["outcome"] == AttemptOutcome.COMPLETED and attempt["replaced_result_id"] is None
        return is_of_a_result and str(attempt["finished_at"]) >= self.completed_at

    def with_its_attempt(self, index: int, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the attempts at a chunk, with an attempt for this result if none of them made it."""
        if not self.may_be_of_no_attempt or any(map(self.is_of, made)):
            return made
        times = {"started_at": self.completed_at, "finished_at": self.completed_at}
        known = {"chunk_index": index, "number": made[-1]["number"] + 1 if made else 1, "runner_id": 0}
        completed = {"outcome": AttemptOutcome.COMPLETED.value, "counted": 0, "is_last": 0}
        return [*made, dict.fromkeys(_COLUMNS) | known | times | completed]


def take_attempts(
    connection: sqlite3.Connection,
    other: sqlite3.Connection,
    other_job_id: str,
    job_id: str,
    left_out: Mapping[int, LeftOut],
) -> int:
    """Add the attempts at the chunks of a job that this store lacks, and return how many.

    An attempt that was in work at an earlier merge gets its end. The attempt of a result that stays out (``left_out``,
    by chunk) keeps this result as a readable text, and its cost. A result of no attempt gets an attempt for that.
    """
    its_runners, rest = _Runners(connection, other, other_job_id, job_id), dict(left_out)
    added = 0
    for index, made in _by_chunk(other, other_job_id):
        added += _take_chunk(connection, index, made, its_runners, rest.pop(index, None))
    return added + sum(_take_chunk(connection, index, [], its_runners, result) for index, result in rest.items())


def _by_chunk(other: sqlite3.Connection, job_id: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    rows = (with_result_elsewhere(dict(zip(_COLUMNS, row, strict=True))) for row in _ATTEMPTS.run(other, in_job=job_id))
    for index, made in groupby(rows, key=itemgetter("chunk_index")):
        yield index, list(made)


class _Runners:
    """The runners of a job in another store, and their ids here. The name of its lock file identifies a runner."""

    def __init__(
        self, connection: sqlite3.Connection, other: sqlite3.Connection, other_job_id: str, job_id: str
    ) -> None:
        self._connection, self.job_id = connection, job_id
        rows = named_rows(rows_of_job("runners").run(other, in_job=other_job_id))
        self._rows = {row["runner_id"]: row for row in rows}
        self._here: dict[int, int] = {}
        for its_id, row in self._rows.items():
            for (runner_id,) in _BY_LOCK_FILE.run(connection, its_lock_file=row["lock_file"]):
                self._here[its_id] = runner_id

    def known(self, its_id: int) -> int | None:
        """Return the id of a runner here; None if this store does not have it."""
        if its_id not in self._rows:  # of no runner, or a lost one: an earlier merge may have added a stand-in
            stand_in = _unknown_runner(self.job_id, its_id)["lock_file"]
            (runner_id,) = _BY_LOCK_FILE.run(self._connection, its_lock_file=stand_in).fetchone() or (None,)
            return runner_id
        return self._here.get(its_id)

    def added(self, its_id: int) -> int:
        """Return the id of a runner here. Add the runner, as one that has ended, if this store does not have it."""
        known = self.known(its_id)
        if known is not None:
            return known
        if its_id not in self._here:
            row = self._rows.get(its_id) or _unknown_runner(self.job_id, its_id)
            values = {name: row[name] for name in _RUNNER} | {"job_id": self.job_id, "exclusive": 0}
            values["ended_at"] = row["ended_at"] or now()
            self._here[its_id] = insert_into("runners", _RUNNER).run(self._connection, **values).lastrowid or 0
        return self._here[its_id]


def _unknown_runner(job_id: str, its_id: int) -> dict[str, Any]:
    """Return a stand-in for a runner whose row the other store has lost."""
    unknown = {"job_id": job_id, "lock_file": f"unknown-runner-{its_id}-of-{job_id}", "host": "", "pid": 0}
    return unknown | {"exclusive": 0, "started_at": now(), "ended_at": None}


def _take_chunk(
    connection: sqlite3.Connection,
    index: int,
    made: list[dict[str, Any]],
    its_runners: _Runners,
    left_out: LeftOut | None,
) -> int:
    job_id, added = its_runners.job_id, 0
    here = list(map(_AttemptHere._make, _HERE.run(connection, in_job=job_id, at_index=index)))
    is_tried, number = bool(here), here[-1].number if here else 0
    if left_out is not None:
        here += _of_result_here(connection, job_id, index)
    for attempt in made if left_out is None else left_out.with_its_attempt(index, made):
        attempt_here = _matching(here, its_runners.known(attempt["runner_id"]), attempt)
        values = attempt if left_out is None or not left_out.is_of(attempt) else _in_vain(attempt, left_out.text)
        if attempt_here is None:
            number = number + 1 if is_tried else attempt["number"]
            at = {"job_id": job_id, "number": number, "runner_id": its_runners.added(attempt["runner_id"])}
            insert_into("attempts").run(connection, **values | at)
            added += 1
            continue
        here.remove(attempt_here)
        if attempt_here.outcome == AttemptOutcome.ABANDONED and attempt["outcome"] != AttemptOutcome.ABANDONED:
            ended = {f"new_{name}": values[name] for name in _ENDED}
            _UPDATE.run(connection, in_job=job_id, at_index=index, its_number=attempt_here.number, **ended)
    return added


def _matching(here: list[_AttemptHere], runner_id: int | None, attempt: dict[str, Any]) -> _AttemptHere | None:
    """Return the attempt of this store that is the same attempt: of the same runner, begun at the same time.

    An attempt without a runner was made for a recorded result: it begins when the attempt with the result ended.
    """
    began_at = attempt["started_at"]
    its_end = attempt["finished_at"] if attempt["outcome"] == AttemptOutcome.COMPLETED else None
    known = {(runner_id, began_at), (0, its_end)}
    if attempt["runner_id"] != 0:
        return next((own for own in here if (own.runner_id, own.started_at) in known), None)
    return next((own for own in here if (own.runner_id, own.started_at) in known or own.finished_at == began_at), None)


def _of_result_here(connection: sqlite3.Connection, job_id: str, index: int) -> list[_AttemptHere]:
    """Return an attempt in the place of the result that a chunk has here; an empty list if the chunk has none.

    The other store may have replaced this result: its attempt for the cost is of the money that is counted here.
    """
    _, _, completed_at, payer = PRESENT.run(connection, in_job=job_id, at_index=index).fetchone() or _ABSENT
    if completed_at is None or payer is not None:
        return []
    return [_AttemptHere(0, 0, completed_at, completed_at, AttemptOutcome.COMPLETED)]


def _in_vain(attempt: dict[str, Any], result: str) -> dict[str, Any]:
    """Return an attempt whose result stays out as a failed attempt: its cost was spent in vain."""
    cost = attempt["cost"] if attempt["cost"] is not None else usual_cost_in(json_text.decode(result))
    error = describe(f"merged from another store, and not kept beside the result that is here: {result}")
    failed = {"outcome": AttemptOutcome.FAILED.value, "counted": 0, "is_last": 0, "replaced_result_id": None}
    return attempt | failed | {"error": error, "cost": cost}


def take_facts(
    connection: sqlite3.Connection,
    other: sqlite3.Connection,
    other_job_id: str,
    job_id: str,
    new_chunks: Container[int],
    *,
    with_handles: bool,
) -> None:
    """Add the facts that this store lacks. The facts of this store stay.

    A redo mark goes with its result: only if this merge took the result (``new_chunks``). The work of a handle may have
    begun with results that stay out: then ``with_handles`` is False. A handle from before a redo answers no redo: it is
    not added to a chunk that is to be done again, and not kept there.
    """
    its_marks = {mark.chunk_index: mark.asked_at for mark in redos.marks(other, other_job_id)}
    marks = {mark.chunk_index: mark.asked_at for mark in redos.marks(connection, job_id)}
    handles.record(connection, job_id, {index: None for index in its_marks if index in new_chunks}, None)
    for table in ("chunk_keys", *(["chunk_handles"] if with_handles else []), "chunk_redos"):
        stored = rows_of_job(table).run(other, in_job=other_job_id)
        facts = (dict(zip(COLUMNS[table], row, strict=True)) for row in stored)
        if table == "chunk_handles":
            facts = (row for row in facts if marks.get(at := row["chunk_index"]) in (None, its_marks.get(at)))
        if table == "chunk_redos":
            facts = (_renumbered(row, connection, other, job_id) for row in facts if row["chunk_index"] in new_chunks)
        insert_into(table, unless_there=True).run_many(connection, (row | {"job_id": job_id} for row in facts))


def _renumbered(
    row: dict[str, Any], connection: sqlite3.Connection, other: sqlite3.Connection, job_id: str
) -> dict[str, Any]:
    """Return a mark with as many attempts after it as in the other store, whatever their numbers are here."""
    index, after = row["chunk_index"], row["after_attempt"]
    followed = redos.last_attempt(other, row["job_id"], index) - after
    return row | {"after_attempt": max(redos.last_attempt(connection, job_id, index) - followed, 0)}
