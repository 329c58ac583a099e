"""The refusal of a changed plan, with what each choice would keep. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.open_requests import BY_PLACE, Decision
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import stored_handles
from checkpoint_store.storage.statements.by_place import results_by_place
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.storage.statements.stored_results import StoredResults, setting_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store.errors import Difference
    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.records import JobRecord

_C: Final = completed_chunks.c
_DIFFERS_IN: Final = Statement(
    lambda: (
        select(_C.source_differs_in)
        .where(_C.job_id == bindparam("in_job"), _C.source_differs_in.is_not(null()))
        .distinct()
    )
)
_NAMES_MAX: Final = 6
"""Of more settings, not each is looked at alone: a look searches the results of the store."""


def refusal(
    connection: sqlite3.Connection,
    request: OpenRequest,
    earlier: JobRecord,
    differences: list[Difference],
    path: Path,
) -> Decision:
    """Return the decision to refuse a request, with what each choice would keep."""
    stored = StoredResults(connection, request, path)
    reused = stored.reusable()
    given = sorted(request.reuse_ignoring - {BY_PLACE})
    differing = tuple(dict.fromkeys([*setting_names(earlier.plan, request.plan), *given]))
    choices = _Choices(stored, len(reused))
    if 1 < len(differing) <= _NAMES_MAX:
        for name in differing:
            choices.offer([name, *given])
    choices.offer(differing)
    choices.offer([*differing, *_names_of_others(connection, request, path)])
    ignored = frozenset(choices.widest or differing)
    taken = stored.reusable(ignored)
    by_place = results_by_place(connection, request, path, ignored, taken)
    if by_place:
        names = choices.widest or differing
        choices.made.append(((*names, BY_PLACE), len(taken) + len(by_place)))
    return Decision(
        "refuse",
        earlier,
        differences,
        reused,
        choices=tuple(choices.made),
        kept_by_place=len(by_place),
        handles=stored_handles.for_new_job(connection, request, path, reused),
    )


class _Choices:
    """The settings that ``reuse_ignoring`` may name, and the results that it keeps then: each choice more of them."""

    def __init__(self, stored: StoredResults, kept_at_least: int) -> None:
        self._stored, self._kept_at_least = stored, kept_at_least
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
        return len(self._stored.reusable(frozenset(names)))


def _names_of_others(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> list[str]:
    """Return the settings in which any job of the file differs from a request, or a result that such a job carries."""
    names: dict[str, None] = {}
    for job in job_statements.list_jobs(connection, path, file_name=request.plan.file_name, with_results=True):
        names |= dict.fromkeys(setting_names(job.plan, request.plan))
        for (text,) in _DIFFERS_IN.run(connection, in_job=job.job_id):
            names |= dict.fromkeys(json_text.decode(text))
    return list(names)
