"""The records of opening a job: the request, the decision, and the opened job."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from checkpoint_store.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from checkpoint_store.errors import Difference
    from checkpoint_store.model.plan import Plan
    from checkpoint_store.storage.records.records import JobRecord

BY_PLACE: Final = "chunks"
"""In ``reuse_ignoring``: a result whose chunk's content is not known may be taken by the place of its chunk."""

Action = Literal["new", "resume", "complete", "reuse", "extend", "restart", "refuse"]


class ByOldRule(NamedTuple):
    """A plan's chunks by fingerprint rule 1. Both fields are None if that rule does not identify the chunks."""

    chunks_digest: str | None
    fingerprints: Iterable[str] | None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """The request of a caller of ``open_job``. ``fingerprints`` can be iterated more than once."""

    plan: Plan
    fingerprints: Iterable[str] | None
    video_title: str | None
    on_change: str
    fresh: bool
    reuse_ignoring: frozenset[str] = frozenset()
    """The settings in which a result that is reused may differ."""
    by_old_rule: ByOldRule | None = None
    """The chunks by rule 1, if that rule gives other fingerprints than the newest rule; else None."""
    metadata: dict[str, Any] | None = None
    """The metadata of the job; None: its metadata stays."""
    keys: Sequence[str] | None = None
    """The keys of the chunks in their stored form, by index; None: the keys stay."""

    def digest_by(self, rule: int) -> str | None:
        """Return the digest of the plan's chunks by the rule that a job was made with.

        If that rule does not identify the chunks, the digest is a text that no job has.
        """
        if self.by_old_rule is None or rule != 1:
            return self.plan.chunks_digest
        return self.by_old_rule.chunks_digest or "not by rule 1"

    def fingerprints_by(self, rule: int) -> Iterable[str] | None:
        """Return the fingerprints of the plan's chunks by the rule that a job was made with."""
        return self.fingerprints if self.by_old_rule is None or rule != 1 else self.by_old_rule.fingerprints

    def plan_by(self, rule: int) -> Plan:
        """Return the plan for a comparison with a job that was made with this rule."""
        return replace(self.plan, chunks_digest=self.digest_by(rule))


class Source(NamedTuple):
    """The source of a result: a job, and a chunk of it."""

    job_id: str
    chunk_index: int
    differs_in: str | None = None
    """The settings in which the job that made the result differs from the job that takes it: a JSON list."""


class Elsewhere(NamedTuple):
    """The results in the store that a new job does not take over, for chunks that it is to do."""

    chunks: int = 0
    """How many chunks have such results."""
    other_name: str | None = None
    """The file name of a job that has such results under the same settings, if any."""
    other_settings: tuple[str, ...] = ()
    """The settings in which the newest job with results under other settings differs."""
    handles: int = 0
    """How many chunks without such a result have a handle under another name: a service holds their work."""

    by_place: int = 0
    """How many other chunks have a result in an earlier job of the file that does not know their content."""

    def __bool__(self) -> bool:
        return bool(self.chunks or self.handles or self.by_place)

    def is_most_of(self, total_chunks: int) -> bool:
        """Whether half of the chunks or more are paid for elsewhere, under the same settings at least in part."""
        return (self.other_name is not None or bool(self.handles)) and 2 * (self.chunks + self.handles) >= total_chunks

    def __str__(self) -> str:
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        if self.chunks:
            yield f"the store has results for {self.chunks} of its chunks under another name or setting"
        if self.other_name is not None:
            yield f"on_change='reuse' takes those of {self.other_name!r}"
        if self.other_settings:
            names = ", ".join(map(repr, self.other_settings))
            yield f"on_change='reuse' with reuse_ignoring=({names},) takes those that differ in nothing else"
        if self.handles:
            whose = f"{self.handles} of its chunks under another name"
            yield f"the store has handles for {whose}, which on_change='reuse' takes"
        if self.by_place:
            yield (
                f"an earlier job of the file has {counted(self.by_place, 'result')} of chunks whose content it does "
                f"not know: on_change='reuse' with {BY_PLACE!r} and the settings that differ in reuse_ignoring takes "
                "each by the place of its chunk"
            )


_NOTHING: Final = Elsewhere()


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on an open request, given the content of the store."""

    action: Action
    earlier: JobRecord | None
    differences: list[Difference]
    reused: dict[int, Source]
    """The source of the result for each incomplete chunk whose result can be carried over."""
    elsewhere: Elsewhere = _NOTHING
    handles: Mapping[int, str] = field(default_factory=dict)
    """If a new job begins: handles of work that a service holds, for chunks without a result."""


class OpenedJob(NamedTuple):
    """A job that was opened, and how."""

    job: JobRecord
    kept_elsewhere: Elsewhere | None
    """The results that a new job does not take over; None if there are none, or the job is not new."""
