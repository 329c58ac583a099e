"""The refusal of a changed plan, with what each choice would keep. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import PlanChanged
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.open_requests import BY_PLACE
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import stored_handles
from checkpoint_store.storage.statements.by_place import results_by_place
from checkpoint_store.storage.statements.kept_counts import KeptCounts
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.storage.statements.stored_results import StoredResults, setting_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store.storage.open_requests import Decision, OpenRequest, Source

_C: Final = completed_chunks.c
_DIFFERS_IN: Final = Statement(
    lambda: (
        select(_C.source_differs_in)
        .where(_C.job_id == bindparam("in_job"), _C.source_differs_in.is_not(null()))
        .distinct()
    )
)
_NAMES_MAX: Final = 6
"""If more settings than these differ, none is looked at alone: no message could name all the choices."""


def refusal(connection: sqlite3.Connection, request: OpenRequest, decision: Decision, path: Path) -> PlanChanged:
    """Return the error that refuses a request, with what each choice would keep.

    This reads every fingerprint in the store: call it outside of the transaction that decided, so that no completion
    of another thread or process waits for it.
    """
    earlier = decision.earlier
    assert earlier is not None, "only a request that differs from an earlier job is refused"
    stored = StoredResults(connection, request, path)
    counts = KeptCounts(stored, request)
    reused = stored.reusable()
    given = sorted(request.reuse_ignoring - {BY_PLACE})
    differing = tuple(dict.fromkeys([*setting_names(earlier.plan, request.plan), *given]))
    wide = tuple(dict.fromkeys([*differing, *_names_of_others(connection, request, path)]))
    choices = _Choices(counts, len(reused))
    if 1 < len(differing) <= _NAMES_MAX:
        for name in differing:
            choices.offer([name, *given])
    choices.offer(differing)
    choices.offer(wide)
    taken = counts.indices(frozenset(choices.widest)) if choices.made else set(reused)
    by_place: dict[int, Source] = {}
    for names in dict.fromkeys([choices.widest or differing, wide]):
        by_place = results_by_place(connection, request, path, frozenset(names), taken)
        if by_place:
            choices.made.append(((*names, BY_PLACE), len(taken) + len(by_place)))
            break
    return PlanChanged(
        request.plan.file_name,
        earlier.job_id,
        decision.differences,
        len(reused),
        choices=choices.made,
        kept_by_place=len(by_place),
        reusable_handles=len(stored_handles.for_new_job(connection, request, path, reused)),
        extends=request.on_change == "extend",
        chunks_have_fields=request.by_old_rule is not None,  # rule 1 differs for objects only
    )


class _Choices:
    """The settings that ``reuse_ignoring`` may name, and how many results it then keeps: each choice keeps more."""

    def __init__(self, counts: KeptCounts, kept_at_least: int) -> None:
        self._counts, self._kept_at_least = counts, kept_at_least
        self.made: list[tuple[tuple[str, ...], int]] = []

    @property
    def widest(self) -> tuple[str, ...]:
        """The settings of the choice that keeps the most; none if no choice keeps more than plain ``reuse``."""
        return self.made[-1][0] if self.made else ()

    def offer(self, names: Iterable[str]) -> None:
        """Add a choice if it keeps more results than every choice before it, without the settings that it can spare."""
        names = tuple(dict.fromkeys(names))
        count = self._kept(names)
        if count <= max((kept for _, kept in self.made), default=self._kept_at_least):
            return
        for name in names if len(names) <= _NAMES_MAX else ():
            rest = tuple(other for other in names if other != name)
            names = rest if self._kept(rest) == count else names
        self.made.append((names, count))

    def _kept(self, names: tuple[str, ...]) -> int:
        return len(self._counts.indices(frozenset(names)))


def _names_of_others(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> list[str]:
    """Return the settings in which any job of the file differs from a request, or a result that such a job carries."""
    names: dict[str, None] = {}
    for job in job_statements.list_jobs(connection, path, file_name=request.plan.file_name, with_results=True):
        names |= dict.fromkeys(setting_names(job.plan, request.plan))
        for (text,) in _DIFFERS_IN.run(connection, in_job=job.job_id):
            names |= dict.fromkeys(json_text.decode(text))
    return list(names)
