"""Results that were paid for in vain: another result of the chunk stands. Their text and cost stay with an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.money import usual_cost_in
from checkpoint_store.storage.sql import attempts, bindparam, case, func, literal_column, null, or_, select
from checkpoint_store.storage.statements.attempts.attempts import COST_ADDED, THIS, literal
from checkpoint_store.storage.statements.compiled import PRESENT, at_chunk, end_attempt, insert_into
from checkpoint_store.storage.statements.order import is_from_older
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from checkpoint_store.storage.records.records import Completion

_A: Final = attempts.c
_OTHERS: Final = attempts.alias()
_CAME_LATE: Final = "its result came after another one, which stands: "
_CAME_EARLY: Final = "its result came while a chunk before it, which it depends on, was to be done: "
_CAME_FROM_OLDER: Final = "its result was made from the earlier result of a chunk that was done again since: "
_FAILED_LATE: Final = "its failure was recorded later: "
_IS_THE_SAME: Final = "its result came after another one, which is the same"
_ERROR: Final = func.coalesce(_A.error, literal_column("''"))
_AS_LINES: Final = _ERROR + literal_column("char(10)")
_REASONS: Final = {"late": _CAME_LATE, "early": _CAME_EARLY, "from_older": _CAME_FROM_OLDER}
"""Why a result may have been noted, by the name of a parameter."""
_WAS_NOT_COMPLETED: Final = _A.outcome != literal(AttemptOutcome.COMPLETED)
_NOTED: Final[dict[str, Any]] = {
    "error": func.coalesce(_A.error + literal_column("char(10)"), literal_column("''")) + bindparam("what"),
    "seconds": func.coalesce(bindparam("its_seconds"), _A.seconds),
    "cost": COST_ADDED,
}
_IN_VAIN: Final[dict[str, Any]] = {
    "outcome": AttemptOutcome.FAILED.value,
    "finished_at": bindparam("at"),
    "counted": 0,
    "is_last": 0,
}


def _at_line(name: str) -> Any:
    """Return the SQL expression for where the line in a parameter stands in an error; 0 if the error lacks it.

    The line has its end: the result ``1`` is not the beginning of the result ``12``.
    """
    return func.instr(_AS_LINES, bindparam(name))


def _note(values: dict[str, Any], *noted_as: str) -> Statement:
    """Return the statement that notes what came late at its attempt, unless the error of the attempt has the note.

    ``noted_as``: the parameters with the lines in which it may have been noted before.
    """
    is_new = [_at_line(name) == literal_column("0") for name in noted_as]
    return Statement(attempts.update().where(*THIS, _WAS_NOT_COMPLETED, *is_new).values(_NOTED | values))


# The reason may be another one when the result comes again: other results may have been recorded since.
_NOTE_RESULT: Final = _note(_IN_VAIN, *_REASONS, "the_same")
# What the attempt reserved still counts where nobody knows what it cost.
_NOTE_FAILURE: Final = _note({"reserved_cost": case((bindparam("its_cost").is_(null()), _A.reserved_cost))}, "line")
_OUTCOME: Final = Statement(select(_A.outcome).where(*THIS))
_HAS_THE_FAILURE: Final = Statement(
    select(_A.number).where(
        *THIS,
        _A.outcome == literal(AttemptOutcome.FAILED),
        or_(_A.cost.is_not(null()), bindparam("its_cost").is_(null())),
        func.substr(_AS_LINES, literal_column("1"), func.length(bindparam("lines"))) == bindparam("lines"),
    )
)
"""Whether an attempt was recorded as failed with these lines: the commit may be stored though it reported an error."""
_IS_COMPLETED_BY_ANOTHER: Final = Statement(
    select(_OTHERS.c.number).where(
        *at_chunk(_OTHERS.c),
        _OTHERS.c.outcome == literal(AttemptOutcome.COMPLETED),
        _OTHERS.c.number != bindparam("its_number"),
        _OTHERS.c.replaced_result_id.is_(null()),
    )
)
_LATEST: Final = Statement(
    select(
        func.coalesce(func.max(_A.number), literal_column("0")),
        *(func.coalesce(func.max(_at_line(name)), literal_column("0")) for name in _REASONS),
    ).where(*at_chunk(_A))
)
"""The highest number of an attempt at a chunk, and for each of these lines whether the error of an attempt has it."""
_ADD: Final = insert_into("attempts")
_END: Final = Statement(
    end_attempt(*map(bindparam, ("in_job", "at_index", "attempt", "at", "seconds"))).where(
        func.instr(_ERROR, literal_column(f"'{_IS_THE_SAME}'")) == literal_column("0")
    )
)


def end_attempts(connection: sqlite3.Connection, completions: Iterable[Completion]) -> None:
    """End the attempts that made these results, except those that :func:`note_the_same` has ended."""
    for ended in completions:
        if ended.attempt is not None:
            here = {"in_job": ended.job_id, "at_index": ended.chunk_index, "attempt": ended.attempt}
            _END.run(connection, **here, at=ended.completed_at, seconds=ended.seconds)


def note_the_same(connection: sqlite3.Connection, completion: Completion) -> None:
    """Count the cost of a result that is the same as the recorded one, if two attempts have made them.

    Repeating this changes nothing. A result whose attempt is not known may be the recorded one itself.
    """
    if completion.attempt is None:
        return
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index, "its_number": completion.attempt}
    if _IS_COMPLETED_BY_ANOTHER.run(connection, **here).fetchone() is None:
        return
    if _run(connection, _NOTE_RESULT, completion, _IS_THE_SAME, _noted_as(completion)):
        log.warning(
            "job %s, chunk %d: paid for twice: the result of attempt %d is the one that another attempt has recorded",
            *(completion.job_id, completion.chunk_index, completion.attempt),
        )


def keep_result(connection: sqlite3.Connection, completion: Completion) -> bool:
    """Keep the text and the cost of a result that is not to be recorded, with its attempt, which failed.

    Another result of the chunk stands; or, in a sequential job, an earlier chunk is to be done first. Repeating this
    changes nothing. Returns whether anything was changed: not, if the attempt made the recorded result.
    """
    what = f"{_why(connection, completion)}{completion.text or 'null'}"
    return _keep(connection, _NOTE_RESULT, completion, what, _noted_as(completion))


def is_noted(error: str | None) -> bool:
    """Whether an attempt's error says that its result was paid for in vain: its cost includes the result's."""
    return any(reason in (error or "") for reason in (*_REASONS.values(), _IS_THE_SAME))


def _why(connection: sqlite3.Connection, completion: Completion) -> str:
    job_id, index = completion.job_id, completion.chunk_index
    if PRESENT.run(connection, in_job=job_id, at_index=index).fetchone() is not None:
        return _CAME_LATE
    before = PRESENT.run(connection, in_job=job_id, at_index=index - 1).fetchone()
    return _CAME_FROM_OLDER if is_from_older(completion, before) else _CAME_EARLY


def keep_failure(connection: sqlite3.Connection, failure: Completion) -> None:
    """Count the cost of a failure that came when nobody waited for it, with its attempt. Repeating changes nothing.

    An attempt that completed its chunk by hand keeps its result: its failure after that is an attempt of its own.
    """
    error = json_text.decode(failure.text or "null")
    if _is_recorded(connection, failure, str(error)):
        return
    by_hand = _made_the_result(connection, failure)
    what = f"attempt {failure.attempt} failed after it had completed the chunk: " if by_hand else _FAILED_LATE
    failure = failure._replace(attempt=None) if by_hand else failure
    line = f"{what}{error}\n"
    _keep(connection, _NOTE_FAILURE, failure, f"{what}{error}", {"line": line} | dict.fromkeys(_REASONS, line))


def _is_recorded(connection: sqlite3.Connection, failure: Completion, error: str) -> bool:
    """Whether the attempt has this error and cost already: its commit was stored, though it reported an error."""
    if failure.attempt is None:
        return False
    here = {"in_job": failure.job_id, "at_index": failure.chunk_index, "its_number": failure.attempt}
    row = _HAS_THE_FAILURE.run(connection, **here, lines=f"{error}\n", its_cost=_cost_of(failure)).fetchone()
    return row is not None


def _made_the_result(connection: sqlite3.Connection, failure: Completion) -> bool:
    if failure.attempt is None:
        return False
    here = {"in_job": failure.job_id, "at_index": failure.chunk_index}
    outcome = _OUTCOME.run(connection, **here, its_number=failure.attempt).fetchone()
    return bool(outcome == (AttemptOutcome.COMPLETED.value,))


def _keep(
    connection: sqlite3.Connection, note: Statement, completion: Completion, what: str, lines: Mapping[str, str]
) -> bool:
    """Note what came late with its attempt; if the attempt is not known, with a new attempt without a runner.

    ``lines``: the lines in which it may have been noted before, by parameter. Returns whether anything was changed.
    """
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index}
    if completion.attempt is not None and _OUTCOME.run(connection, **here, its_number=completion.attempt).fetchone():
        return _run(connection, note, completion, what, lines)  # nothing, if its result was recorded, and replaced
    number, *at_lines = _LATEST.run(connection, **here, **lines).fetchone()
    if any(at_lines):
        return False
    add_failed(
        connection,
        completion._replace(attempt=number + 1, cost=_cost_of(completion)),
        started_at=completion.completed_at,
        error=what,
    )
    return True


def add_failed(connection: sqlite3.Connection, ended: Completion, *, started_at: str, error: str) -> None:
    """Add an attempt of no runner that failed and does not count against its chunk; ``ended`` has its number."""
    _ADD.run(
        connection,
        job_id=ended.job_id,
        chunk_index=ended.chunk_index,
        number=ended.attempt,
        runner_id=0,
        started_at=started_at,
        finished_at=ended.completed_at,
        outcome=AttemptOutcome.FAILED.value,
        error=error,
        seconds=ended.seconds,
        counted=0,
        is_last=0,
        reserved_cost=None,
        cost=ended.cost,
        replaced_result_id=None,
    )


def _noted_as(completion: Completion) -> dict[str, str]:
    """Return the lines in which the result of an attempt may have been noted, by parameter."""
    text = completion.text or "null"
    return {name: f"{reason}{text}\n" for name, reason in _REASONS.items()} | {"the_same": f"{_IS_THE_SAME}\n"}


def _run(
    connection: sqlite3.Connection, note: Statement, completion: Completion, what: str, lines: Mapping[str, str]
) -> bool:
    changed = note.run(
        connection,
        in_job=completion.job_id,
        at_index=completion.chunk_index,
        its_number=completion.attempt,
        what=what,
        at=completion.completed_at,
        its_seconds=completion.seconds,
        its_cost=_cost_of(completion),
        **lines,
    )
    return changed.rowcount > 0


def _cost_of(completion: Completion) -> float | None:
    return usual_cost_in(json_text.decode(completion.text or "null")) if completion.cost is None else completion.cost
