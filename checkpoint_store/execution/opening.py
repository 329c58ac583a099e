"""The arguments of ``open_job``, checked before anything is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Self

from checkpoint_store.errors import InvalidArgumentError, InvalidResultError, ResultsElsewhere
from checkpoint_store.execution.chunk_contents import Given
from checkpoint_store.execution.other_plans import may_give_results, warn_of_double_work
from checkpoint_store.execution.unrecorded.taking_in import settled
from checkpoint_store.model.chunk_content import as_rows
from checkpoint_store.model.chunks import CHUNKS_MAX, as_int, checked_keys, stored_key
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.money import checked_field
from checkpoint_store.model.plan import (
    FINGERPRINT_RULE,
    Plan,
    chained,
    digest_of_fingerprints,
    fingerprint,
    has_old_fingerprint,
    normal_name,
)
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records.open_requests import BY_PLACE, ByOldRule, OpenedJob, OpenRequest
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.log import log, warn_caller

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.chunks import Key
    from checkpoint_store.model.plan import Fingerprint
    from checkpoint_store.model.records import RunPlan
    from checkpoint_store.storage.records.records import JobRecord


class Fingerprints:
    """The fingerprints of chunks, computed when they are asked for: a million fingerprints need no memory."""

    def __init__(
        self, chunks: Sequence[Any], by: Fingerprint | None, rule: int = FINGERPRINT_RULE, *, sequential: bool = False
    ) -> None:
        self._chunks, self._by, self._rule, self._sequential = chunks, by, rule, sequential

    def __iter__(self) -> Iterator[str]:
        alone = (fingerprint(chunk, self._by, rule=self._rule, index=index) for index, chunk in enumerate(self._chunks))
        return chained(alone) if self._sequential else alone

    def digests(self) -> tuple[str, ByOldRule | None]:
        """Return the digest of all fingerprints, and the digest by rule 1 if it differs."""
        rules = set[str]()

        def watched() -> Iterator[str]:
            for own in self:
                rules.add(own[0])
                yield own

        digest = digest_of_fingerprints(watched())
        if rules <= {"1"} or self._sequential:  # no sequential job was made by rule 1
            return digest, None
        if not all(has_old_fingerprint(chunk, self._by) for chunk in self._chunks):
            return digest, ByOldRule(None, None)
        old = Fingerprints(self._chunks, self._by, rule=1)
        return digest, ByOldRule(digest_of_fingerprints(old), old)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenArguments:
    """The arguments of ``open_job``, ``plan`` and ``map``, checked as it is made, before anything is done."""

    file_name: str | os.PathLike[str]
    chunks: Iterable[Any] | None = None
    total_chunks: int | None = None
    video_title: str | None = None
    model: str | None = None
    provider: str | None = None
    config: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    fingerprint: Fingerprint | None = None
    sequential: bool = False
    on_change: str = "refuse"
    reuse_ignoring: Iterable[str] = ()
    fresh: bool = False
    exclusive: bool = False
    request: OpenRequest = field(init=False)
    sequence: Sequence[Any] | None = field(init=False)
    """The chunks; None if only their number is given."""

    keys: Sequence[Key] | None = field(init=False)
    """The keys of the chunks; None if the chunks are only numbered."""

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Self:
        """Return the arguments in the ``locals()`` of a method that has them as parameters."""
        return cls(**{option.name: call[option.name] for option in fields(cls) if option.init and option.name in call})

    def given(self, count: int) -> Given | None:
        """Return the chunks, ``count`` when the job was opened, for the job at work; None if only a number is given."""
        return None if self.sequence is None else Given(self.sequence, self.fingerprint, count, self.keys)

    def __post_init__(self) -> None:
        given, by = as_rows(self.chunks, self.fingerprint)
        total_chunks = as_int(self.total_chunks)
        chunks, keys = checked_chunks(given, total_chunks)
        sequential = checked_flag("sequential", self.sequential)
        fingerprints = None if chunks is None else Fingerprints(chunks, by, sequential=sequential)
        digest, by_old_rule = (None, None) if fingerprints is None else fingerprints.digests()
        plan = Plan(
            file_name=normal_name(checked_text("file_name", name_of(self.file_name), required=True)),
            total_chunks=total_chunks if chunks is None else len(chunks),
            model=checked_text("model", self.model),
            provider=checked_text("provider", self.provider),
            config=checked_config(self.config),
            chunks_digest=digest,
            sequential=sequential,
        )
        request = OpenRequest(
            plan,
            fingerprints,
            checked_text("video_title", self.video_title),
            checked_change(self.on_change),
            fresh=checked_flag("fresh", self.fresh),
            reuse_ignoring=checked_ignoring(self.reuse_ignoring),
            by_old_rule=by_old_rule,
            metadata=None if self.metadata is None else checked_config(self.metadata, "metadata"),
            keys=None if keys is None else tuple(map(stored_key, keys)),
        )
        object.__setattr__(self, "fingerprint", by)
        object.__setattr__(self, "exclusive", checked_flag("exclusive", self.exclusive))
        object.__setattr__(self, "request", request)
        object.__setattr__(self, "sequence", chunks)
        object.__setattr__(self, "keys", keys)


def open_job(context: StoreContext, arguments: OpenArguments) -> JobRecord:
    """Return the job that the arguments lead to, now the newest and the current; durable. A refusal changes nothing."""

    def own_runner_id(job_id: str) -> int | None:  # called in the transaction: it only looks, and ends no idle runner
        claims = context.claims.at_hand(job_id)
        return None if claims is None else claims.runner.runner_id

    exclusive_for = own_runner_id if arguments.exclusive else None
    context.loops.settle(partial(may_give_results, context.reading.jobs, arguments.request))
    context.take_in_unrecorded()  # or another plan would pay again for a result that waits
    with context.claims.none_begins():
        opened = context.storage.open_job(arguments.request, exclusive_for=exclusive_for)
        if isinstance(opened, OpenedJob):
            context.claims.free_completed(opened.job.job_id)
    if not isinstance(opened, OpenedJob):  # the loops of this store go on while a refusal is counted
        raise context.storage.jobs.refusal(arguments.request, opened)
    record = opened.job
    if arguments.exclusive:
        context.claims_of(record.job_id).register(exclusive=True)
    record = settled(context.reading, context.record, context.unrecorded.passed_over, record, arguments.request)
    context.job_grew(record.job_id, record.total_chunks, arguments.given(record.total_chunks))
    context.job_changed(record.job_id)
    warn_of_double_work(context, arguments.request, record.job_id)
    if opened.kept_elsewhere:
        notice = f"job {record.job_id} of {record.file_name!r} begins, and {opened.kept_elsewhere}"
        log.warning("%s", notice)
        if arguments.on_change == "refuse" and opened.kept_elsewhere.is_most_of(record.total_chunks):
            warn_caller(notice, ResultsElsewhere)  # a log that nobody set up says nothing, and the input is paid again
    return record


def plan_with(
    context: StoreContext, job_id: str, chunks: Iterable[Any], by: Fingerprint | None, change: str, *, cost: str
) -> RunPlan:
    """Return what opening a job's file with the job's settings and these chunks would do. Nothing is written."""
    chunks, by = as_rows(chunks, by)
    (sequence, _), wanted = checked_chunks(chunks, None), checked_change(change)
    assert sequence is not None
    plan = context.reading.jobs.find(job_id).plan
    fingerprints = Fingerprints(sequence, by, sequential=plan.sequential)
    digest, by_old_rule = fingerprints.digests()
    plan = replace(plan, total_chunks=len(sequence), chunks_digest=digest)
    request = OpenRequest(plan, fingerprints, None, wanted, fresh=False, by_old_rule=by_old_rule)
    return context.reading.plan(request, checked_field(cost))


def checked_chunks(
    chunks: Iterable[Any] | Mapping[Any, Any] | None, total_chunks: int | None
) -> tuple[Sequence[Any] | None, Sequence[Key] | None]:
    """Return the chunks as a sequence (None: only their number is given), and their keys (None: no keys)."""
    if (chunks is None) == (total_chunks is None):
        both = "and total_chunks are both given" if total_chunks is not None else "is missing, and so is total_chunks"
        raise InvalidArgumentError("chunks", ..., f"{both}: give one of the two")
    if chunks is None:
        if type(total_chunks) is not int or not 0 <= total_chunks <= CHUNKS_MAX:
            raise InvalidArgumentError("total_chunks", total_chunks, f"is not a whole number from 0 to {CHUNKS_MAX:,}")
        return None, None
    if isinstance(chunks, Mapping):
        return list(chunks.values()), checked_keys(chunks)
    if isinstance(chunks, str | bytes):
        raise InvalidArgumentError("chunks", chunks, f"is of the type {type(chunks).__name__}; give a list of chunks")
    if not isinstance(chunks, Iterable):
        raise InvalidArgumentError("chunks", chunks, "is not a list of chunks; for a number, use total_chunks=")
    if isinstance(chunks, set | frozenset):
        what = "is a set, whose order differs between processes; give sorted(chunks)"
        raise InvalidArgumentError("chunks", ..., what)
    # A list is copied: the caller may empty it while the job goes on.
    sequence = chunks if isinstance(chunks, Sequence) and not isinstance(chunks, list) else list(chunks)
    if isinstance(chunks, Iterator) and not sequence:
        kind = type(chunks).__name__
        raise InvalidArgumentError(
            "chunks",
            ...,
            f"is an iterator ({kind}) that has nothing to give: it was used up before, or its source is empty. Give a "
            "list; an empty list is a job of no chunks",
        )
    return sequence, None


def name_of(file_name: object) -> Any:
    """Return the name of an input, a path as text."""
    if isinstance(file_name, os.PathLike):
        return file_name.as_posix() if isinstance(file_name, PurePath) else os.fspath(file_name)
    return file_name


def job_filter(status: object, file_name: object) -> dict[str, Any]:
    """Return the filter for the storage verbs that list jobs."""
    if status is not None and status not in list(JobStatus):
        raise InvalidArgumentError("status", status, f"is none of {', '.join(JobStatus)}")
    return {"status": status, "file_name": checked_text("file_name", name_of(file_name))}


_MAY_DIFFER: Final = frozenset(("model", "provider", "config", BY_PLACE))


def checked_ignoring(names: object) -> frozenset[str]:
    """Return the settings that ``reuse_ignoring`` names, checked."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidArgumentError("reuse_ignoring", names, "is not a list of settings; give ('model',)")
    settings = tuple(names)
    for name in settings:
        is_known = isinstance(name, str) and (name in _MAY_DIFFER or name.startswith("config."))
        if not is_known:
            raise InvalidArgumentError(
                "reuse_ignoring", name, "is none of 'model', 'provider', 'config', 'config.KEY' and 'chunks'"
            )
    return frozenset(settings)


def checked_text(name: str, value: object, *, required: bool = False) -> Any:
    """Return a text that UTF-8 can hold, or None if None is allowed."""
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value):
        raise InvalidArgumentError(name, value, "is not a non-empty text" if required else "is not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(name, value, "has a lone surrogate, which UTF-8 cannot hold") from None
    return str(value)


def checked_config(config: Mapping[str, Any] | None, name: str = "config") -> dict[str, Any]:
    """Return a config, or the metadata of a job, as plain JSON data without secrets."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidArgumentError(name, ..., f"is of the type {type(config).__name__}, not a mapping")
    plain = dict(config)
    try:
        text = json_text.encode(plain, name=name)
    except InvalidResultError as error:
        raise InvalidArgumentError(error.path, ..., error.reason) from error
    with importing():
        from checkpoint_store.model.codec.secrets import reject_secrets  # only writers need its patterns

    reject_secrets(plain, name)
    checked: dict[str, Any] = json_text.decode(text)
    return checked


def checked_change(on_change: object) -> str:
    """Return ``on_change``, checked."""
    if on_change not in ("refuse", "reuse", "extend", "restart"):
        raise InvalidArgumentError("on_change", on_change, "is none of 'refuse', 'reuse', 'extend', 'restart'")
    return str(on_change)
