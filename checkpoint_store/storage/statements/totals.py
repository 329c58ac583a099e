"""Statements that add up a field over the results of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, StoreDamaged, counted
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.money import NUMBER_LENGTH_MAX, fields_of, json_paths, number_in, values_at
from checkpoint_store.storage.sql import (
    and_,
    bindparam,
    case,
    chunk_results,
    completed_chunks,
    func,
    literal_column,
    null,
    or_,
    select,
)
from checkpoint_store.storage.statements import compiled, results
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Select

_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_IN_JOB: Final[Any] = _C.job_id == bindparam("in_job")


def field_of_result() -> tuple[Any, Any]:
    """Return the expressions for the value and the type of a field: that of its whole name, or of its dotted path."""
    paths: tuple[Any, Any] = bindparam("json_path"), bindparam("dotted_path")
    kind, dotted_kind = (func.json_type(_R.result, path) for path in paths)
    value, dotted_value = (func.json_extract(_R.result, path) for path in paths)
    return case((kind.is_not(None), value), else_=dotted_value), func.coalesce(kind, dotted_kind)


def paths_of_field(key: str) -> dict[str, str]:
    """Return the values of :func:`field_of_result`. A name without a dot has one path, which stands for both."""
    json_path, *dotted_paths = json_paths(key)
    return {"json_path": json_path, "dotted_path": next(iter(dotted_paths), json_path)}


def _first_carried(*parts: Any) -> Any:
    """Return the condition for the first chunk of each carried result whose paid chunk is not of this job.

    A carried result may stand at more than one chunk, also at the chunk that was paid for. ``parts`` are columns that
    tell the results of one paid chunk apart.
    """
    payer = func.coalesce(_C.source_job_id, _C.job_id), func.coalesce(_C.source_chunk_index, _C.chunk_index)
    firsts = select(func.min(_C.chunk_index)).where(_IN_JOB).group_by(*payer, *parts)
    only_carried = func.count() == func.count(_C.source_job_id)
    return _C.chunk_index.in_(firsts.having(only_carried).correlate(None))


_IS_OWN: Final = _C.source_job_id.is_(null())
# A chunk that was done again has a new result, and the earlier result may still stand elsewhere.
_COUNTS: Final = or_(_IS_OWN, and_(bindparam("with_carried"), _first_carried(_C.redo_asked_at)))


def _fields() -> Any:
    """Return the results that count, each with the field."""
    value, kind = field_of_result()
    of_job = completed_chunks.outerjoin(chunk_results, _R.result_id == _C.result_id)
    columns = value.label("value"), kind.label("kind"), _R.result_id, _C.digest
    return select(*columns).select_from(of_job).where(_IN_JOB, _COUNTS).subquery("field").c


def _total() -> Select[Any]:
    field = _fields()
    number = case((field.kind.in_((literal_column("'integer'"), literal_column("'real'"))), field.value))
    whole, real = (case((func.typeof(number) == name, number)) for name in ("integer", "real"))
    # In halves: SQLite's sum of integers stops at 64 bits.
    high, low = func.sum(whole.op(">>")(32)), func.sum(whole.op("&")(0xFFFFFFFF))
    missing = func.count(field.digest) - func.count(field.result_id)
    return select(high, low, func.sum(real), func.count(field.kind), func.max(field.result_id), missing)


def _short_texts() -> Select[Any]:
    field = _fields()
    is_short = func.length(field.value) <= literal_column(str(NUMBER_LENGTH_MAX))
    return select(field.value).where(field.kind == literal_column("'text'"), is_short)


_TOTAL: Final = Statement(_total())
_SHORT_TEXTS: Final = Statement(_short_texts())
_INDICES: Final = Statement(select(_C.chunk_index).where(_IN_JOB, _COUNTS))
# What this job paid for itself, also before a redo, is in its own costs, and is not carried.
_REDO_ELSEWHERE: Final[Any] = case((_C.source_job_id != _C.job_id, _C.redo_asked_at))
_PAID_ONCE: Final = Statement(select(_C.chunk_index).where(_IN_JOB, or_(_IS_OWN, _first_carried(_REDO_ELSEWHERE))))


def paid_once(connection: sqlite3.Connection, job_id: str) -> set[int]:
    """Return the completed chunks of a job that have each paid result once.

    The result of a chunk that another job did again counts beside its earlier result: that job paid for both. The view
    ``job_costs`` counts one of the two.
    """
    return {index for (index,) in _PAID_ONCE.run(connection, in_job=job_id)}


def totals(
    connection: sqlite3.Connection,
    job_id: str,
    keys: tuple[str, ...],
    path: Path,
    *,
    skip_missing: bool,
    with_carried: bool = True,
) -> dict[str, int | float]:
    """Return the sum of each field over a job's results: numbers, and texts that are numbers. Other values add nothing.

    ``skip_missing``: leave out the fields that no result has. ``with_carried``: add up results of other jobs, too.
    """
    sums: dict[str, int | float] = {}
    for key in keys:
        field = {"in_job": job_id, "with_carried": with_carried, **paths_of_field(key)}
        high, low, real, count, newest, missing = _TOTAL.run(connection, **field).fetchone()
        if missing:
            raise StoreDamaged(path, f"it lacks {counted(missing, 'result')}", job_id=job_id)
        if skip_missing and not count:
            continue
        if newest is not None and not count:
            (text,) = compiled.RESULT_TEXT.run(connection, id=newest).fetchone()
            raise _unknown_field(key, json_text.decode(text))
        integers = ((high or 0) << 32) + (low or 0)
        numbers = (number_in(text) for (text,) in _SHORT_TEXTS.run(connection, **field))
        written = sum(number for number in numbers if number is not None)
        sums[key] = integers + written if real is None else integers + written + real
    return sums


def totals_with(
    connection: sqlite3.Connection,
    job_id: str,
    keys: tuple[str, ...],
    path: Path,
    substitutes: results.Substitutes,
    *,
    skip_missing: bool,
    with_carried: bool = True,
) -> dict[str, int | float]:
    """Return the same sums as :func:`totals`, with the texts of copies for damaged results: each result is read."""
    sums: dict[str, int | float] = dict.fromkeys(keys, 0)
    having: set[str] = set()
    result: Any = None
    for result in _each_once(connection, job_id, path, substitutes, with_carried=with_carried):
        for key in keys:
            for value in values_at(result, key):
                having.add(key)
                number = number_in(value) if isinstance(value, str) else value
                sums[key] += number if isinstance(number, int | float) and not isinstance(number, bool) else 0
    unknown = [key for key in keys if key not in having]
    if unknown and result is not None and not skip_missing:
        raise _unknown_field(unknown[0], result)
    return {key: sums[key] for key in keys if key in having or not skip_missing}


def _each_once(
    connection: sqlite3.Connection, job_id: str, path: Path, substitutes: results.Substitutes, *, with_carried: bool
) -> Iterator[Any]:
    counted = {index for (index,) in _INDICES.run(connection, in_job=job_id, with_carried=with_carried)}
    pages = results.paged(lambda after, limit: results.result_page(connection, job_id, after, limit, substitutes))
    for page in pages:
        for index, text in results.verified_page(path, job_id, page):
            if index in counted:
                yield json_text.decode(text)


def _unknown_field(key: str, newest: object) -> InvalidArgumentError:
    fields = ", ".join(fields_of(newest)) or "none"
    return InvalidArgumentError("keys", key, f"is a field of no result of this job; the newest result has: {fields}")
