"""Find the results in the store for the chunks of a plan, in any job. Reads only.

A search reads the narrow rows of completed chunks, job by job, the newest job first. It needs no index, which would
make each commit slower. A job of the same plan is found without a search.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.plan import Plan, compare, normal_name, same_settings
from checkpoint_store.storage.records.open_requests import Elsewhere, Source
from checkpoint_store.storage.sql import bindparam, completed_chunks, func, jobs, literal_column, null, select
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.plans.comparison import (
    Begun,
    beginning,
    config_of,
    has_same_results,
    is_covered,
    is_ignored,
    joined,
)
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterable, Mapping
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import JobRecord

_C: Final = completed_chunks.c
_J: Final = jobs.c


class Holder(NamedTuple):
    """A job that has results."""

    job_id: str
    file_name: str
    total_chunks: int
    model: str | None
    provider: str | None
    config: str
    fingerprint_rule: int


_COLUMNS: Final = tuple(_J[name] for name in Holder._fields)
_HOLDERS: Final = Statement(
    select(*_COLUMNS)
    .where(
        _J.completed_count > literal_column("0"),
        _J.job_id != bindparam("but_job"),
        _J.job_number > bindparam("number"),
    )
    .order_by(_J.job_number.desc())
)
_BEFORE: Final = Statement(
    select(func.count(), func.coalesce(func.sum(_J.completed_count), literal_column("0"))).where(
        _J.job_number <= bindparam("number"), _J.job_id != bindparam("but_job")
    )
)
_FINGERPRINTS: Final = Statement(
    select(_C.chunk_index, _C.fingerprint, _C.source_differs_in)
    .where(_C.job_id == bindparam("in_job"), _C.digest.is_not(null()), _C.fingerprint.is_not(null()))
    .order_by(_C.chunk_index)
)
NOTHING: Final[frozenset[str]] = frozenset()


class StoredResults:
    """The results in the store for the chunks of a request, as one transaction sees them."""

    def __init__(self, connection: sqlite3.Connection, request: OpenRequest, path: Path) -> None:
        self._connection, self._request, self._path = connection, request, path
        self._settings: dict[tuple[Any, ...], Plan] = {}
        self._verdicts: dict[tuple[Any, ...], bool] = {}
        self._name = normal_name(request.plan.file_name)
        self._begun: Begun | None = None
        """The sequential job that goes on."""

    def reusable(self) -> dict[int, Source]:
        """Return the source of the newest result under the same settings, for each chunk that has such a result."""
        return self._taken(self.holders(), _Left(self._request, ()))

    def reusable_since(self, opened: JobRecord, *, of: Container[str] | None = None) -> dict[int, Source]:
        """Return the sources for the chunks left of a job, from jobs with new results since its last search.

        ``of``: search only these jobs, and all of their results.
        """
        done = set(result_statements.indices(self._connection, opened.job_id))
        if self._request.plan.sequential:
            if done != set(range(len(done))):
                return {}
            self._begun = Begun(opened.job_id, len(done))
        number = opened.looked_number or 0
        before = jobs_before(self._connection, opened.job_id, number)
        if before != (opened.looked_jobs, opened.looked_chunks) or self._request.reuse_ignoring or of is not None:
            number = 0  # such a job has new results, or the last search may have ignored other settings
        jobs = self._holders_since(number, opened.job_id)
        holders = [job for job in jobs if of is None or job.job_id in of]
        return self._taken(holders, _Left(self._request, done))

    def elsewhere(self, reused: Container[int], by_place: Mapping[int, Source]) -> Elsewhere:
        """Return the results for the other chunks of a new job; ``by_place``: those of chunks of unknown content."""
        same, other_name, other_settings = list[Holder](), list[Holder](), list[Holder]()
        for job in self.holders():
            if not self.has_settings(job, NOTHING):
                other_settings.append(job)
            elif self._request.on_change != "reuse":  # with "reuse" they were searched already
                (same if normal_name(job.file_name) == self._name else other_name).append(job)
        if not other_name and not other_settings:
            return Elsewhere(by_place=len(by_place))
        left = _Left(self._request, reused)
        self._look(same, left, NOTHING)  # the caller, who begins anew, knows these
        named = self._look(other_name, left, NOTHING)
        sources = named | self._look(other_settings, left, None)
        names = {job.job_id: job.file_name for job in other_name}
        name = next((names[source.job_id] for source in named.values()), None)
        others = self._differing(other_settings, sources)
        return Elsewhere(len(sources), name, others, by_place=len(by_place.keys() - sources))

    def _differing(self, holders: list[Holder], sources: Mapping[int, Source]) -> tuple[str, ...]:
        having = {source.job_id for source in sources.values()}
        first = next((job for job in holders if job.job_id in having), None)
        return () if first is None else setting_names(self._plan_of(first), self._request.plan)

    def _taken(self, holders: list[Holder], left: _Left) -> dict[int, Source]:
        """Return results under the same settings; for the chunks left, results that differ in ignored settings only."""
        ignoring = self._request.reuse_ignoring
        if self._request.plan.sequential:  # all results come from one job
            return self._look((job for job in holders if self.has_settings(job, ignoring)), left, ignoring)
        sources = self._look((job for job in holders if self.has_settings(job, NOTHING)), left, NOTHING)
        if ignoring and holders and left:
            sources |= self._look((job for job in holders if self.has_settings(job, ignoring)), left, ignoring)
        return sources

    def _look(self, holders: Iterable[Holder], left: _Left, ignoring: frozenset[str] | None) -> dict[int, Source]:
        """Return the results of these jobs for chunks that are left; ``ignoring`` None: under any settings."""
        if self._request.plan.sequential:
            return left.take_all(max((self._beginning(job, ignoring) for job in holders), key=len, default={}))
        sources: dict[int, Source] = {}
        for job in holders:
            if not left:
                break
            differing = self._ignored(job, ignoring) if ignoring else ()
            for index, result in left.take(
                self.rule_of(job), self.rows_of(job), lambda text: is_covered(text, ignoring)
            ).items():
                sources[index] = Source(job.job_id, result.chunk_index, joined(result.differs_in, differing))
        return sources

    def _beginning(self, job: Holder, ignoring: frozenset[str] | None) -> dict[int, Source]:
        """Return the results of a job for the first chunks of a sequential plan; none if the begun job differs."""
        differing = self._ignored(job, ignoring) if ignoring else ()
        sources: dict[int, Source] = {}
        for index, _, differs_in in beginning(self.rows_of(job), self._request.fingerprints or ()):
            if differs_in is not None and not is_covered(differs_in, ignoring):
                break
            sources[index] = Source(job.job_id, index, joined(differs_in, differing))
        begun = self._begun
        if begun is None or (len(sources) > begun.chunks and has_same_results(self._connection, begun, job.job_id)):
            return sources
        return {}

    def _ignored(self, job: Holder, ignoring: frozenset[str]) -> list[str]:
        """Return the settings in which a job differs, with the names that ``ignoring`` has."""
        ignored: list[str] = []
        for name in setting_names(self._plan_of(job), self._request.plan):
            inner = [setting for setting in ignoring if setting.startswith(f"{name}.")]
            ignored += [name] if is_ignored(name, ignoring) else inner
        return ignored

    def rule_of(self, job: Holder) -> int:
        """Return the rule of fingerprints that counts for a job. Rule 1 reads only a part of an object."""
        return job.fingerprint_rule if normal_name(job.file_name) == self._name else 0

    def rows_of(self, job: Holder) -> Iterable[tuple[int, str, str | None]]:
        """Return index, fingerprint, and differing settings of each result of a job that has a fingerprint."""
        return _FINGERPRINTS.run(self._connection, in_job=job.job_id)

    def holders(self) -> list[Holder]:
        """Return the jobs that have results, the newest first."""
        return self._holders_since(-1) if self._request.fingerprints is not None else []

    def _holders_since(self, number: int, but_job: str = "") -> list[Holder]:
        return list(map(Holder._make, _HOLDERS.run(self._connection, number=number, but_job=but_job)))

    def has_settings(self, job: Holder, ignoring: frozenset[str]) -> bool:
        """Whether the settings of a job are those of the request, as far as they count."""
        key = (job.model, job.provider, job.config, ignoring)
        if key not in self._verdicts:
            self._verdicts[key] = same_settings(self._plan_of(job), self._request.plan, ignoring)
        return self._verdicts[key]

    def _plan_of(self, job: Holder) -> Plan:
        """Return a plan with the settings of a job. Equal settings of many jobs are decoded once."""
        settings = (job.model, job.provider, job.config)
        if settings not in self._settings:
            config = config_of(job.config, job.job_id, self._path)
            self._settings[settings] = Plan(self._name, job.total_chunks, job.model, job.provider, config)
        return self._settings[settings]


def jobs_before(connection: sqlite3.Connection, but_job: str, number: int) -> tuple[int, int]:
    """Return how many other jobs have numbers up to ``number``, and how many completed chunks they have together."""
    row: tuple[int, int] = _BEFORE.run(connection, number=number, but_job=but_job).fetchone()
    return row


def has_news(connection: sqlite3.Connection, job: JobRecord) -> bool:
    """Return whether any other job has results that it had not when results were last searched for a job."""
    number = job.looked_number or 0
    before = jobs_before(connection, job.job_id, number)
    since = _HOLDERS.run(connection, number=number, but_job=job.job_id)
    return before != (job.looked_jobs, job.looked_chunks) or since.fetchone() is not None


def setting_names(old: Plan, new: Plan) -> tuple[str, ...]:
    """Return the settings in which two plans differ, named as ``reuse_ignoring`` does."""
    chunks = ("file_name", "total_chunks", "sequential", "chunks")
    return tuple(difference.field for difference in compare(old, new) if difference.field not in chunks)


def indices_by_fingerprint(request: OpenRequest, rule: int, but: Container[int] = ()) -> dict[str, list[int]]:
    """Return the chunks of a request by their fingerprints of a rule, ``but`` these."""
    indices: dict[str, list[int]] = {}
    for index, fingerprint in enumerate(request.fingerprints_by(rule) or ()):
        if index not in but:
            indices.setdefault(fingerprint, []).append(index)
    return indices


class _Left:
    """The chunks of a request without a result so far, by fingerprint."""

    def __init__(self, request: OpenRequest, but: Container[int]) -> None:
        self._request = request
        self._indices: dict[int, dict[str, list[int]]] = {}
        self._but = but
        self._taken_chunks = set[int]()

    def __bool__(self) -> bool:
        return len(self._taken_chunks) < self._count

    @cached_property
    def _count(self) -> int:
        """The number of chunks at first. Fingerprints are held in memory only once a job is compared with them."""
        return sum(map(len, self._by(0).values()))

    def _by(self, rule: int) -> dict[str, list[int]]:
        rule = 1 if rule == 1 and self._request.by_old_rule is not None else 0
        if rule not in self._indices:
            self._indices[rule] = indices_by_fingerprint(self._request, rule, self._but)
        return self._indices[rule]

    def take_all(self, sources: dict[int, Source]) -> dict[int, Source]:
        """Return the sources for chunks that are left. These chunks are left no longer."""
        taken = {at: source for at, source in sources.items() if at not in self._but and at not in self._taken_chunks}
        self._taken_chunks.update(taken)
        return taken

    def take(
        self, rule: int, rows: Iterable[tuple[int, str, str | None]], may_differ: Callable[[str], bool]
    ) -> dict[int, _JobResult]:
        """Return the results of a job for chunks that are left; for equal chunks, the result of the same index."""
        wanted = self._by(rule)
        first: dict[str, _JobResult] = {}
        by_index: dict[int, tuple[str, _JobResult]] = {}
        for index, fingerprint, differs_in in rows:
            if fingerprint in wanted and (differs_in is None or may_differ(differs_in)):
                result = _JobResult(index, differs_in)
                first.setdefault(fingerprint, result)
                by_index[index] = fingerprint, result
        taken: dict[int, _JobResult] = {}
        for fingerprint, result in first.items():
            for index in wanted.pop(fingerprint):
                if index not in self._taken_chunks:
                    same, own = by_index.get(index, ("", result))
                    taken[index] = own if same == fingerprint else result
        self._taken_chunks.update(taken)
        return taken


class _JobResult(NamedTuple):
    """A result of a job: its chunk, and the settings in which the result differs from the job."""

    chunk_index: int
    differs_in: str | None
