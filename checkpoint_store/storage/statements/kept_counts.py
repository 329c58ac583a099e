"""Count how many results each choice of ``reuse_ignoring`` would keep. Reads only.

A refusal asks for many choices, and a search for each of them would read all fingerprints again. So each fingerprint
is read once: results that differ in the same settings are counted together, and a choice adds up these counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.storage.statements.beginnings import beginning
from checkpoint_store.storage.statements.differing_settings import is_covered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.statements.stored_results import Holder, StoredResults


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
        for job in self._stored.holders():
            settings, wanted = _settings(job), self._wanted(self._stored.rule_of(job))
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

    def _wanted(self, rule: int) -> dict[str, list[int]]:
        wanted: dict[str, list[int]] = {}
        for index, fingerprint in enumerate(self._request.fingerprints_by(rule) or ()):
            wanted.setdefault(fingerprint, []).append(index)
        return wanted


def _settings(job: Holder) -> tuple[str | None, str | None, str]:
    return job.model, job.provider, job.config
