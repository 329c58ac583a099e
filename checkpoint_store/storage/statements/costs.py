"""The costs of results: read from the store in pages, and added up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import StoreDamaged, counted, short_repr
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.money import amount, cost_in
from checkpoint_store.storage.records.records import Costs, Unreadable
from checkpoint_store.storage.sql import bindparam, case, chunk_results, completed_chunks, func, literal_column, select
from checkpoint_store.storage.statements import results, totals
from checkpoint_store.storage.statements.attempts import replaced
from checkpoint_store.storage.statements.statement import Statement, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.statements.results import Substitutes

    Page = Sequence[tuple[Any, ...]]

_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_COSTS_PER_PAGE: Final = 4096
_RESULTS_PER_PAGE: Final = 64
_TEXTS_LENGTH: Final = 8 * 1024 * 1024
"""A page of results with substitutes ends here. SQLite sorts all chunks of the job for each page, so pages are few."""
_COST_TEXT_LENGTH_MAX: Final = 200
_NOT_SHOWN_BY_SQLITE: Final = {"true": True, "false": False, "null": None}


def page(
    connection: sqlite3.Connection,
    job_id: str,
    after: int,
    cost: Cost,
    *,
    is_own: bool = True,
    substitutes: Substitutes = results.NONE,
) -> Page:
    """Return (result id, chunk index, kind, value) of results after a result id, in the order of their recording.

    If ``cost`` is a function, the value is the whole result as text, and the kind None. For a replaced result the kind
    is ``"replaced"`` and the value is its cost: a loop that has seen the result does not see it again.

    ``is_own``: the results that this job paid for, merged ones included; False: those that it carries. With
    ``substitutes``, ``cost`` is a function.
    """
    if substitutes:
        present = _texts(connection, job_id, after, substitutes, is_own=is_own)
    else:
        paths = totals.paths_of_field(cost) if isinstance(cost, str) else {}
        values = {"in_job": job_id, "after": after, "is_own": is_own, **paths}
        present = _page(of_field=bool(paths), goes_on=after > 0).run(connection, **values).fetchall()
    gone = replaced.costs_after(connection, job_id, after, _most(cost)) if is_own else []
    return sorted(present + gone)[: _most(cost)] if gone else present


def readable(cost: Cost, substitutes: Substitutes) -> Cost:
    """Return ``cost`` in the form that works with substitutes: as a function."""
    return partial(cost_in, cost=cost) if substitutes and isinstance(cost, str) else cost


def refuse_missing(connection: sqlite3.Connection, job_id: str, path: Path) -> None:
    """Raise :class:`StoreDamaged` if a result of a job is missing: the sum of costs would be too small."""
    (count,) = _MISSING.run(connection, in_job=job_id).fetchone()
    if count:
        raise StoreDamaged(path, f"it lacks {counted(count, 'result')}", job_id=job_id)


def _texts(
    connection: sqlite3.Connection, job_id: str, after: int, substitutes: Substitutes, *, is_own: bool
) -> list[tuple[Any, ...]]:
    rows = _NARROW.run(connection, in_job=job_id, after=after, is_own=is_own).fetchall()
    texts: list[tuple[Any, ...]] = []
    length = 0
    for result_id, index, digest in rows:
        text, *_ = results.text_of(connection, result_id, digest, substitutes)
        texts.append((result_id, index, None, text))
        length += len(text or "")
        if length >= _TEXTS_LENGTH and len(texts) >= _RESULTS_PER_PAGE:
            break
    return texts


_IN_JOB: Final[Any] = _R.job_id == bindparam("in_job")
_IN_JOB_BY_RESULT: Final[Any] = literal_column("+chunk_results.job_id") == bindparam("in_job")
"""With the plus SQLite begins at a result id, and does not read all chunks of the job."""
_IS_WANTED: Final = _C.source_job_id.is_(None) == bindparam("is_own")
"""The job paid for the result itself, or carries it."""


@statement_for_arguments
def _page(*, of_field: bool, goes_on: bool) -> Select[Any]:
    """Select the values of a field, or whole results."""
    columns = [_R.result_id, _R.chunk_index, *(_field() if of_field else (literal_column("NULL"), _R.result))]
    is_its = (_C.result_id == _R.result_id) & _IS_WANTED
    of_chunk = (_C.job_id == _R.job_id) & (_C.chunk_index == _R.chunk_index) & is_its
    in_job = _IN_JOB_BY_RESULT if goes_on else _IN_JOB
    of_job = select(*columns).where(_R.result_id > bindparam("after"), in_job, of_chunk)
    return of_job.order_by(_R.result_id).limit(_COSTS_PER_PAGE if of_field else _RESULTS_PER_PAGE)


_NARROW: Final = Statement(
    select(_C.result_id, _C.chunk_index, _C.digest)
    .where(_C.job_id == bindparam("in_job"), _C.digest.is_not(None), _C.result_id > bindparam("after"), _IS_WANTED)
    .order_by(_C.result_id)
    .limit(_COSTS_PER_PAGE)
)
_MISSING: Final = Statement(
    select(func.count(_C.digest) - func.count(_R.result_id))
    .select_from(completed_chunks.outerjoin(chunk_results, _R.result_id == _C.result_id))
    .where(_C.job_id == bindparam("in_job"))
)


def _most(cost: Cost) -> int:
    return _COSTS_PER_PAGE if isinstance(cost, str) else _RESULTS_PER_PAGE


def _field() -> tuple[Any, Any]:
    """Return the columns for the JSON type and the value of a field; long values are cut."""
    value, kind = totals.field_of_result()
    is_long = kind.in_([literal_column("'text'"), literal_column("'object'"), literal_column("'array'")])
    return kind, case((is_long, func.substr(value, 1, _COST_TEXT_LENGTH_MAX)), else_=value)


def costs_of_pages(pages: Callable[[int], Page], after: int, cost: Cost, *, of: Container[int] | None = None) -> Costs:
    """Add up the costs in all pages; ``pages(n)`` returns the page after result ``n``. Calls the caller's function.

    ``of``: the chunks that count; None: all of them.
    """
    last, priced, total, unreadable, dearest = after, 0, 0.0, None, 0.0
    while rows := pages(last):
        for _, index, kind, stored in rows:
            if of is not None and index not in of:
                continue
            chunk_cost, seen = _read(kind, stored, cost)
            if chunk_cost is not None:
                priced, total, dearest = priced + 1, total + chunk_cost, max(dearest, chunk_cost)
            elif unreadable is None:
                unreadable = Unreadable(index, seen)
        last, *_ = rows[-1]
        if len(rows) < _most(cost):
            break
    return Costs(last, priced, total, unreadable, dearest)


def _read(kind: str | None, stored: Any, cost: Cost) -> tuple[float | None, str | None]:
    """Return a pair: the amount and None, or None and the text that stands where an amount should."""
    if kind == "replaced":
        return amount(stored), None
    if not isinstance(cost, str):
        result = json_text.decode(stored)
        try:
            value = cost(result)
        except Exception as error:  # a function of the caller's; the message shows the error
            return None, short_repr(error)
        return amount(value), short_repr(value)
    if kind in ("object", "array"):
        is_cut = len(stored) >= _COST_TEXT_LENGTH_MAX
        return None, f"{stored[: _COST_TEXT_LENGTH_MAX - 1]}…" if is_cut else stored
    value = _NOT_SHOWN_BY_SQLITE.get(str(kind), stored)
    return amount(value), None if kind is None else short_repr(value)
