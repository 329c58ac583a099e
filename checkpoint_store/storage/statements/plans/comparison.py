"""What two plans have in common: the beginning of a sequential plan, and the settings in which a result differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.sql import bindparam, chunk_results, completed_chunks, func, select
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import OpenRequest


class PlanSearch(NamedTuple):
    """A request to open a job, and the store that is searched for it, in an open transaction."""

    connection: sqlite3.Connection
    request: OpenRequest
    path: Path
    """The store file, for messages."""


def config_of(text: str, job_id: str, path: Path) -> Any:
    """Return the config of a job from its column."""
    try:
        return json_text.decode(text)
    except ValueError as error:
        raise StoreDamaged(path, f"its row in jobs cannot be read: {error}", job_id=job_id) from error


def is_covered(differs_in: str, ignoring: frozenset[str] | None) -> bool:
    """Whether the settings in which a result differs from its job may all be ignored."""
    if ignoring is None:
        return True
    return all(is_ignored(name, ignoring) for name in json_text.decode(differs_in))


def is_ignored(name: str, ignoring: frozenset[str]) -> bool:
    """Whether a setting may differ, because it or what it is in is ignored."""
    return name in ignoring or any(name.startswith(f"{setting}.") for setting in ignoring)


def joined(differs_in: str | None, names: Iterable[str]) -> str | None:
    """Return the settings in which a result differs, and further settings, as text; None if there are none."""
    before = [] if differs_in is None else json_text.decode(differs_in)
    all_names = sorted({*before, *names})
    return json_text.encode(all_names) if all_names else None


_OWN: Final = completed_chunks.alias("own")
_OTHER: Final = completed_chunks.alias("other")
_OWN_RESULT: Final = chunk_results.alias("own_result")
_OTHER_RESULT: Final = chunk_results.alias("other_result")
_SAME: Final = Statement(
    select(func.count())
    .select_from(_OWN)
    .join(_OTHER, _OTHER.c.chunk_index == _OWN.c.chunk_index)
    .join(_OWN_RESULT, _OWN_RESULT.c.result_id == _OWN.c.result_id)
    .join(_OTHER_RESULT, _OTHER_RESULT.c.result_id == _OTHER.c.result_id)
    .where(
        _OWN.c.job_id == bindparam("its_id"),
        _OTHER.c.job_id == bindparam("other_id"),
        _OWN.c.chunk_index < bindparam("stop"),
        _OWN_RESULT.c.result == _OTHER_RESULT.c.result,
    )
)


class Begun(NamedTuple):
    """A sequential job that goes on, and the number of chunks in its completed beginning."""

    job_id: str
    chunks: int


def beginning(
    rows: Iterable[tuple[int, str, str | None]], wanted: Iterable[str]
) -> Iterator[tuple[int, str, str | None]]:
    """Yield the first rows (chunk index, chained fingerprint, differing settings) of a job that agree with a plan."""
    for at, (row, fingerprint) in enumerate(zip(rows, wanted, strict=False)):
        index, own_fingerprint, _ = row
        if (index, own_fingerprint) != (at, fingerprint):
            return
        yield row


def has_same_results(connection: sqlite3.Connection, begun: Begun, other_id: str) -> bool:
    """Return whether another job has the same results for the chunks that a job has completed.

    Only then the later results of the other job were made from the results of the job.
    """
    (same,) = _SAME.run(connection, its_id=begun.job_id, other_id=other_id, stop=begun.chunks).fetchone()
    return bool(same == begun.chunks)
