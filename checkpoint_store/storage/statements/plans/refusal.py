"""The refusal of a changed plan, with what each choice would keep. Reads only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import PlanChanged
from checkpoint_store.model.codec import json_text
from checkpoint_store.storage.records.open_requests import BY_PLACE
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.plans import stored_answers
from checkpoint_store.storage.statements.plans.comparison import PlanSearch, beginning, is_covered
from checkpoint_store.storage.statements.plans.earlier_job import can_grow, job_to_extend
from checkpoint_store.storage.statements.plans.stored_answers import results_by_place
from checkpoint_store.storage.statements.plans.stored_results import (
    StoredResults,
    indices_by_fingerprint,
    setting_names,
)
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import Decision, OpenRequest, Source
    from checkpoint_store.storage.statements.plans.stored_results import Holder


class _Kind(NamedTuple):
    """What decides whether a result may be taken: the settings of its job, and those in which it differs from them."""

    settings: tuple[str | None, str | None, str]
    differs_in: str | None


_Kinds = frozenset[_Kind]
"""The kinds of all results in the store for a chunk."""


class KeptCounts:
    """The results in the store for the chunks of a request, by what they differ in."""

    def __init__(self, stored: StoredResults, request: OpenRequest) -> None:
        self._stored, self._request = stored, request
        self._holders: dict[tuple[str | None, str | None, str], Holder] = {}
        self._chunks: dict[_Kinds, set[int]] = {}
        self._beginnings: list[list[_Kind]] = []
        """For a sequential plan: for each job, the kind of each result of its beginning."""
        for job in stored.holders():
            self._holders.setdefault(_settings(job), job)
        if request.plan.sequential:
            self._beginnings = [list(self._kinds_at_beginning(job)) for job in stored.holders()]
        else:
            self._chunks = self._by_kinds()

    def indices(self, ignoring: frozenset[str]) -> set[int]:
        """Return the chunks for which a job that ignores these settings would take a result."""
        verdicts: dict[_Kind, bool] = {}

        def is_taken(kind: _Kind) -> bool:
            if kind not in verdicts:
                its_settings = self._stored.has_settings(self._holders[kind.settings], ignoring)
                verdicts[kind] = its_settings and (kind.differs_in is None or is_covered(kind.differs_in, ignoring))
            return verdicts[kind]

        if self._request.plan.sequential:  # all results come from one job
            lengths = (
                next((at for at, kind in enumerate(kinds) if not is_taken(kind)), len(kinds))
                for kinds in self._beginnings
            )
            return set(range(max(lengths, default=0)))
        return {index for kinds, chunks in self._chunks.items() if any(map(is_taken, kinds)) for index in chunks}

    def _kinds_at_beginning(self, job: Holder) -> Iterator[_Kind]:
        settings = _settings(job)
        for _, _, differs_in in beginning(self._stored.rows_of(job), self._request.fingerprints or ()):
            yield _Kind(settings, differs_in)

    def _by_kinds(self) -> dict[_Kinds, set[int]]:
        """Return the chunks that have results, by the kinds of these results."""
        kinds_of: dict[int, _Kinds] = {}
        grown: dict[tuple[_Kinds | None, _Kind], _Kinds] = {}  # few sets for many chunks
        wanted_by = cache(partial(indices_by_fingerprint, self._request))
        for job in self._stored.holders():
            settings, wanted = _settings(job), wanted_by(self._stored.rule_of(job))
            for _, fingerprint, differs_in in self._stored.rows_of(job):
                kind = _Kind(settings, differs_in)
                for index in wanted.get(fingerprint, ()):
                    change = kinds_of.get(index), kind
                    if change not in grown:
                        grown[change] = (change[0] or frozenset()) | {kind}
                    kinds_of[index] = grown[change]
        by_kinds: dict[_Kinds, set[int]] = {}
        for index, kinds in kinds_of.items():
            by_kinds.setdefault(kinds, set()).add(index)
        return by_kinds


def _settings(job: Holder) -> tuple[str | None, str | None, str]:
    return job.model, job.provider, job.config


_C: Final = completed_chunks.c
_DIFFERS_IN: Final = Statement(
    select(_C.source_differs_in).where(_C.job_id == bindparam("in_job"), _C.source_differs_in.is_not(null())).distinct()
)
_NAMES_MAX: Final = 6
"""If more settings than these differ, none is looked at alone: no message could name all the choices."""


def refusal(connection: sqlite3.Connection, request: OpenRequest, decision: Decision, path: Path) -> PlanChanged:
    """Return the error that refuses a request, with what each choice would keep and not do again.

    This reads every fingerprint in the store: call it outside of the transaction that decided, so that no completion
    of another thread or process waits for it.
    """
    earlier = decision.earlier
    assert earlier is not None, "only a request that differs from an earlier job is refused"
    search = PlanSearch(connection, request, path)
    stored = StoredResults(*search)
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
        by_place = results_by_place(search, frozenset(names), taken)
        if by_place:
            choices.made.append(((*names, BY_PLACE), len(taken) + len(by_place)))
            break
    again = _ToRedo(search)
    kept = len(reused) - again.count(reused)
    kept_by_choice = again.left_out(choices.made, at_least=kept, by_place=again.count(by_place))
    return PlanChanged(
        request.plan.file_name,
        earlier.job_id,
        decision.differences,
        kept,
        choices=kept_by_choice,
        kept_by_place=len(by_place) - again.count(by_place),
        reusable_handles=len(stored_answers.for_new_job(search, reused)),
        extends=request.on_change == "extend",
        can_grow=can_grow(job_to_extend(connection, request, path) or earlier, request),
        chunks_have_fields=request.by_old_rule is not None,  # rule 1 differs for objects only
    )


class _ToRedo:
    """The results that are to be done again: a new job takes them over with their redo marks, and pays for them."""

    def __init__(self, search: PlanSearch) -> None:
        self._search = search

    def count(self, sources: Mapping[int, Source]) -> int:
        """Return how many of these results are to be done again."""
        return len(redos.of_kept(self._search.connection, sources))

    def left_out(
        self, choices: list[tuple[tuple[str, ...], int]], *, at_least: int, by_place: int
    ) -> list[tuple[tuple[str, ...], int]]:
        """Return the choices without these results, as far as each choice still keeps more than the one before.

        Args:
            choices: the settings that each choice ignores, and how many results it takes over.
            at_least: how many results plain ``reuse`` keeps.
            by_place: how many results that only their place identifies are to be done again.
        """
        if redos.ANY.run(self._search.connection).fetchone() is None:  # no search for each choice
            return choices
        kept: list[tuple[tuple[str, ...], int]] = []
        for names, count in choices:
            request = replace(self._search.request, reuse_ignoring=frozenset(names) - {BY_PLACE})
            again = self.count(StoredResults(*self._search._replace(request=request)).reusable())
            left = count - again - (by_place if BY_PLACE in names else 0)
            if left > at_least:
                kept.append((names, left))
                at_least = left
        return kept


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
