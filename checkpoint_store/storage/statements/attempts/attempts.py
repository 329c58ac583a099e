"""Statements about attempts: begun, failed, released, abandoned; and the record of a chunk's attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.attempt import NO_RESULT_TEXT, AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.storage.records.records import Claim, FailureOutcome
from checkpoint_store.storage.sql import attempts, bindparam, case, func, literal_column, select
from checkpoint_store.storage.statements import handles
from checkpoint_store.storage.statements.attempts import runners
from checkpoint_store.storage.statements.compiled import at_chunk, begun
from checkpoint_store.storage.statements.effect import require_rows
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Sequence

    from checkpoint_store.storage.records.records import FailedAttempt


_A: Final = attempts.c
_MANY: Final = 1 << 31
"""More attempts than any chunk has: a LIMIT that SQLite accepts, unlike ``sys.maxsize``."""
_ENDED_IN_VAIN: Final[Any] = (literal_column("'failed'"), literal_column("'abandoned'"))


class AttemptRow(NamedTuple):
    """The columns of one attempt that claiming reads."""

    chunk_index: int
    number: int
    """1 for the first attempt at the chunk, by whichever runner."""
    runner_id: int
    outcome: str
    """The value of an :class:`AttemptOutcome`."""
    counted: int
    """1 if the attempt counts against the limit of its chunk, once it has ended without a result."""
    is_last: int
    """1 if the chunk is failed by this attempt: the attempts are used up, or (``counted`` 0) its error is permanent."""

    @property
    def ended_in_vain(self) -> bool:
        """Whether the attempt has ended, and gave no result."""
        return self.outcome in (AttemptOutcome.FAILED, AttemptOutcome.ABANDONED)


@dataclass(slots=True)
class ChunkAttempts:
    """The attempts at one chunk so far, by number."""

    chunk_index: int
    attempts: list[AttemptRow] = field(default_factory=list)

    @property
    def last(self) -> AttemptRow | None:
        """The newest attempt; None where the chunk was never tried."""
        return self.attempts[-1] if self.attempts else None

    @property
    def next_number(self) -> int:
        """The number of the attempt that would follow."""
        return self.attempts[-1].number + 1 if self.attempts else 1

    @property
    def used_count(self) -> int:
        """How many attempts count against the chunk's limit."""
        return sum(1 for attempt in self.attempts if attempt.counted and attempt.ended_in_vain)

    def running_runner_ids(self) -> Iterator[int]:
        """Yield the runner of each attempt that has not ended."""
        return (attempt.runner_id for attempt in self.attempts if attempt.outcome == AttemptOutcome.RUNNING)


def literal(outcome: AttemptOutcome) -> Any:
    """Return an outcome as a literal of SQL: SQLite uses the index on running attempts for a literal only."""
    return literal_column(f"'{outcome}'")


_ATTEMPTS_IN: Final = Statement(
    select(*(_A[name] for name in AttemptRow._fields))
    .where(
        _A.job_id == bindparam("in_job"),
        _A.chunk_index >= bindparam("start"),
        _A.chunk_index < bindparam("stop"),
    )
    .order_by(_A.chunk_index, _A.number),
    order=("in_job", "start", "stop"),
)
_BEGIN: Final = Statement(
    attempts.insert().values(begun(*map(bindparam, ("in_job", "at_index", "new_number", "runner", "at")))),
    order=("in_job", "at_index", "new_number", "runner", "at"),
)
_EACH: Final = func.json_each(bindparam("indices")).table_valued("value")


def _begin_first() -> Any:
    values = begun(bindparam("in_job"), _EACH.c.value, literal_column("1"), bindparam("runner"), bindparam("at"))
    return attempts.insert().from_select(list(values), select(*values.values()))


_BEGIN_FIRST: Final = Statement(_begin_first(), order=("in_job", "runner", "at", "indices"))
COST_ADDED: Final = func.coalesce(_A.cost + bindparam("its_cost"), _A.cost, bindparam("its_cost"))
"""The cost of an attempt and a further one, as far as they are known."""
THIS: Final[Any] = (*at_chunk(_A), _A.number == bindparam("its_number"))
"""The conditions that an attempt has the number ``its_number`` at its chunk."""


def _counted() -> Any:
    """Select what a failure needs to know of the other attempts. The thousandth takes no longer than the first.

    The columns: the number of the last attempt; how many others count against the limit of the chunk, up to the limit;
    1 if an attempt has this number; and 1 if an attempt with a higher number has not ended.
    """
    here = at_chunk(_A)
    its_number: Any = func.coalesce(bindparam("its_number"), 0)
    is_other = _A.number != its_number
    used = select(_A.number).where(*here, is_other, _A.outcome.in_(_ENDED_IN_VAIN), _A.counted == literal_column("1"))
    newest_used = used.order_by(_A.number.desc()).limit(bindparam("attempts_max")).subquery()
    return select(
        func.coalesce(select(func.max(_A.number)).where(*here).scalar_subquery(), 0),
        select(func.count()).select_from(newest_used).scalar_subquery(),
        select(func.count()).where(*here, _A.number == its_number).scalar_subquery(),
        select(
            select(_A.number).where(*here, _A.number > bindparam("its_number"), _RUNNING).exists()
        ).scalar_subquery(),
    )


_RUNNING: Final[Any] = _A.outcome == literal(AttemptOutcome.RUNNING)
_COUNTED: Final = Statement(_counted())
_OF_RUNNER: Final[Any] = _A.runner_id == bindparam("its_runner"), _RUNNING
_ALLOW_MORE: Final = Statement(attempts.update().where(*THIS).values(is_last=literal_column("0")))
_USE_UP: Final = Statement(
    attempts.update()
    .where(*THIS)
    .values(is_last=literal_column("1"), error=func.coalesce(_A.error, literal_column(f"'{NO_RESULT_TEXT}'")))
)
_FAIL: Final = Statement(
    attempts.update()
    .where(*THIS)
    .values(
        outcome=AttemptOutcome.FAILED.value,
        finished_at=bindparam("at"),
        error=bindparam("its_error"),
        seconds=bindparam("its_seconds"),
        counted=bindparam("its_counted"),
        is_last=bindparam("now_last"),
        cost=COST_ADDED,
        reserved_cost=case((bindparam("may_be_billed") == 1, _A.reserved_cost), else_=None),
    )
)
_ABANDON: Final = Statement(
    attempts.update()
    .where(*THIS, *_OF_RUNNER)
    .values(outcome=AttemptOutcome.ABANDONED.value, counted=0, finished_at=bindparam("at"))
)
_FORGET: Final = Statement(attempts.delete().where(*THIS, *_OF_RUNNER))
_IN_HAND: Final = Statement(select(_A.job_id, _A.chunk_index, _A.number).where(*_OF_RUNNER))
_ABANDON_ALL: Final = Statement(
    attempts.update()
    .where(*_OF_RUNNER)
    .values(
        outcome=AttemptOutcome.ABANDONED.value,
        finished_at=bindparam("at"),
        counted=case((handles.of_attempt(), literal_column("0")), else_=bindparam("its_counted")),
    )
)


def attempts_in(connection: sqlite3.Connection, job_id: str, start: int, stop: int) -> dict[int, ChunkAttempts]:
    """Return the attempts at each chunk of ``[start, stop)`` that was tried, by chunk index."""
    by_chunk: dict[int, ChunkAttempts] = {}
    for row in map(AttemptRow._make, connection.execute(_ATTEMPTS_IN.text, (job_id, start, stop))):
        by_chunk.setdefault(row.chunk_index, ChunkAttempts(row.chunk_index)).attempts.append(row)
    return by_chunk


def begin(connection: sqlite3.Connection, job_id: str, index: int, number: int, runner_id: int) -> Claim:
    """Begin the attempt of this number at a chunk, and return it as a claim."""
    require_rows(connection.execute(_BEGIN.text, (job_id, index, number, runner_id, now())), "an attempt")
    return Claim(index, number)


def begin_first(connection: sqlite3.Connection, job_id: str, indices: Sequence[int], runner_id: int) -> None:
    """Begin the first attempt at each of these chunks: in one statement, which takes 0.6 of the time of many."""
    if indices:
        added = connection.execute(_BEGIN_FIRST.text, (job_id, runner_id, now(), str(list(indices))))
        require_rows(added, "an attempt", rows=len(indices))


def use_up(connection: sqlite3.Connection, job_id: str, attempt: AttemptRow) -> None:
    """Record that a chunk is failed: this attempt was the last at it. An attempt without an error gets a text."""
    _USE_UP.run(connection, in_job=job_id, at_index=attempt.chunk_index, its_number=attempt.number)
    _log_failed_chunk(job_id, attempt.chunk_index, attempt.number)


def allow_more(connection: sqlite3.Connection, job_id: str, attempt: AttemptRow) -> None:
    """Record that a chunk is no longer failed: another attempt follows its last attempt."""
    _ALLOW_MORE.run(connection, in_job=job_id, at_index=attempt.chunk_index, its_number=attempt.number)


def _log_failed_chunk(job_id: str, index: int, number: int) -> None:
    log.warning("chunk %d of job %s is failed: attempt %d was its last", index, job_id, number)


def fail(connection: sqlite3.Connection, failed: FailedAttempt, runner_id: int) -> FailureOutcome:
    """End an attempt as failed, and begin the next one at once where the report says so.

    If the chunk's attempts reach the limit with this attempt, the chunk is failed. An attempt without a row (the chunk
    was not claimed, or the job was deleted meanwhile) is added. An attempt that has failed before stays one attempt. No
    next attempt begins beside an attempt of another loop.
    """
    job_id, index = failed.job_id, failed.chunk_index
    number = failed.number
    here = {"in_job": job_id, "at_index": index, "its_number": number, "attempts_max": min(failed.attempts_max, _MANY)}
    last_number, used_count, is_there, is_tried_since = _COUNTED.run(connection, **here).fetchone()
    if number is None or not is_there:
        number = last_number + 1
        begin(connection, job_id, index, number, runner_id)
    is_counted = failed.is_counted and not failed.is_permanent
    is_last = failed.is_permanent or (is_counted and used_count + 1 >= failed.attempts_max)
    _FAIL.run(
        connection,
        in_job=job_id,
        at_index=index,
        its_number=number,
        at=now(),
        its_error=failed.error,
        its_seconds=failed.seconds,
        its_counted=int(is_counted),
        now_last=int(is_last),
        its_cost=failed.cost,
        may_be_billed=int(failed.may_be_billed),
    )
    if is_last:
        _log_failed_chunk(job_id, index, number)
    following = None
    if failed.tries_again and not is_last and not is_tried_since:
        following = begin(connection, job_id, index, max(number, last_number) + 1, runner_id)
    return FailureOutcome(number, is_last, following)


def release(connection: sqlite3.Connection, job_id: str, runner_id: int, claim: Claim) -> None:
    """Free a claim of a runner whose work had not begun: its row is deleted."""
    _FORGET.run(connection, **_named(job_id, runner_id, claim))


def abandon(connection: sqlite3.Connection, job_id: str, runner_id: int, claim: Claim) -> None:
    """Free a claim of a runner whose work began and gave no result: the chunk is in doubt, the attempt not counted."""
    _ABANDON.run(connection, **_named(job_id, runner_id, claim), at=now())


def _named(job_id: str, runner_id: int, claim: Claim) -> dict[str, Any]:
    # The runner id, because another runner may have the chunk by now if its claim is freed twice.
    return {"in_job": job_id, "at_index": claim.chunk_index, "its_number": claim.number, "its_runner": runner_id}


def in_hand(connection: sqlite3.Connection, runner_id: int) -> int:
    """Return how many chunks a runner has claimed."""
    return len(_IN_HAND.run(connection, its_runner=runner_id).fetchall())


def end_runner(
    connection: sqlite3.Connection, runner_id: int, *, begun: Collection[tuple[int, int]] | None, is_counted: bool
) -> int:
    """Record that a runner has ended, and return how many of its attempts are in doubt.

    The attempts that it had ``begun``, as (chunk index, number), are in doubt; None: all its claims. The rows of its
    other claims are deleted. ``is_counted``: whether an attempt in doubt counts against the limit of its chunk. At a
    chunk with a handle it never counts, because the next try asks for the result.
    """
    if begun is not None:
        for job_id, index, number in _IN_HAND.run(connection, its_runner=runner_id).fetchall():
            if (index, number) not in begun:
                release(connection, job_id, runner_id, Claim(index, number))
    in_doubt = _ABANDON_ALL.run(connection, its_runner=runner_id, at=now(), its_counted=int(is_counted)).rowcount
    runners.END.run(connection, its_id=runner_id, at=now())
    return in_doubt
