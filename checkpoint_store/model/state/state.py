"""The state: a snapshot of a job, immutable and equal to its JSON form."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn

from checkpoint_store.errors import StateFormatError, short_repr
from checkpoint_store.model.clock import in_text, now
from checkpoint_store.model.codec.json_rules import read_json
from checkpoint_store.model.frozen import frozen_list, thaw
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.state.pairing import chunk_of_each
from checkpoint_store.model.state.state_fields import (
    check_chunks,
    check_list,
    check_object,
    check_redo_chunks,
    check_result_indices,
    check_text,
    check_time,
    check_version,
    fail,
    frozen,
    frozen_results,
    refuse_unknown,
)
from checkpoint_store.model.store_file import SCHEMA_VERSION

PAIRED_BY_OWN_INDEX: Final = frozenset({"1.0", "1.1"})
"""Versions without ``result_indices``."""
_IN_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)


def in_utc(text: str) -> str:
    """Return the time of a state as a store keeps it: in UTC, and in a spelling that SQLite reads.

    A text without an offset is a local time. A text that a store could have written stays as it is.
    """
    if _IN_UTC.fullmatch(text):
        return text
    moment = datetime.fromisoformat(text)
    try:
        return in_text(moment)
    except (OverflowError, ValueError, OSError):  # at both ends of the calendar no local time is known
        return in_text(moment.replace(tzinfo=UTC))


@dataclass(frozen=True, eq=False)
class ProcessingState:
    """A snapshot of one job, equal to its JSON form.

    The collections keep the order in which they were given, and cannot be changed; a tuple becomes a list. In the state
    of a job in a store, ``completed_chunks`` are 0-based indices in ascending order (chunks completed without a result
    come after those with one), and ``processed_results`` stand in the order of their chunks.

    ``result_indices[k]`` is the chunk of ``processed_results[k]``. If ``result_indices`` is empty, each result belongs
    to the chunk at the same position in ``completed_chunks``. In a state of a version before 1.2, each result belongs
    to the chunk that its own ``chunk_index`` names, if all results have one and they are exactly the completed chunks.
    See :meth:`results`.

    ``redo_chunks`` are completed chunks that are to be done again (:meth:`Job.redo`): they are left, and
    ``processed_results`` has their earlier results.

    ``version`` is the schema of the state. ``status`` is ``pending``, ``running``, ``paused``, ``completed`` or
    ``failed``. ``started_at`` and ``updated_at`` are times as ISO 8601 text; by default the time of now, in UTC.
    ``config`` and ``metadata`` are JSON objects.

    Two states are equal if they have the same content for the same job, in whichever order.

    Raises:
        StateFormatError: a value is of the wrong type, impossible, or cannot be paired; ``field`` names it.
    """

    version: str = SCHEMA_VERSION
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: JobStatus = JobStatus.PENDING
    file_name: str = ""
    video_title: str = ""
    model: str = ""
    provider: str = ""
    total_chunks: int = 0
    completed_chunks: list[int] = field(default_factory=list)
    processed_results: list[dict[str, Any]] = field(default_factory=list)
    started_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    error_message: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    result_indices: list[int] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    redo_chunks: list[int] = field(default_factory=list)

    if TYPE_CHECKING:
        # The arguments are wider than the fields: any text for a status, any sequence, any JSON value as a result.
        def __init__(  # noqa: PLR0917 - positional, in field order, as the original plan's
            self,
            version: str = ...,
            job_id: str = ...,
            status: str = ...,
            file_name: str = ...,
            video_title: str | None = ...,
            model: str | None = ...,
            provider: str | None = ...,
            total_chunks: int = ...,
            completed_chunks: Sequence[int] = ...,
            processed_results: Sequence[Any] = ...,
            started_at: str = ...,
            updated_at: str = ...,
            error_message: str | None = ...,
            config: Mapping[str, Any] = ...,
            result_indices: Sequence[int] = ...,
            metadata: Mapping[str, Any] = ...,
            redo_chunks: Sequence[int] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        _check_fields(self)
        put = object.__setattr__
        put(self, "status", JobStatus(self.status))
        for name in _TITLES:
            put(self, name, getattr(self, name) or "")
        put(self, "completed_chunks", frozen_list(self.completed_chunks))
        put(self, "processed_results", frozen_results(self.processed_results))
        for name in _OBJECTS:
            put(self, name, frozen(name, "", dict(getattr(self, name))))
        check_result_indices(self.result_indices, self.completed_chunks, len(self.processed_results))
        put(self, "result_indices", frozen_list(self.result_indices))
        check_redo_chunks(self.redo_chunks, self.completed_chunks)
        put(self, "redo_chunks", frozen_list(self.redo_chunks))
        if not self.result_indices:
            self._chunk_of_each()

    def __eq__(self, other: object) -> bool:
        """Whether another state has the same content for the same job."""
        if not isinstance(other, ProcessingState):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        """Hash the single fields of a state: a hash of all results would cost more than a comparison."""
        return hash((self.job_id, self.status, self.total_chunks, len(self.completed_chunks), self.updated_at))

    def _content(self) -> tuple[Any, ...]:
        try:
            results: Any = self.results()
        except StateFormatError:  # the chunk of a result is not known yet
            results = self.processed_results, self.result_indices
        chunks = sorted(self.completed_chunks), sorted(self.redo_chunks)
        return *(getattr(self, name) for name in _ONCE), *chunks, results

    @property
    def is_resumable(self) -> bool:
        """Whether the job is running or paused and has chunks left."""
        return self.status in (JobStatus.RUNNING, JobStatus.PAUSED) and self.remaining_chunks > 0

    @property
    def remaining_chunks(self) -> int:
        """How many chunks are left."""
        return self.total_chunks - len(self.completed_chunks) + len(self.redo_chunks)

    @property
    def next_chunk_index(self) -> int:
        """The lowest chunk that is not complete, or is to be done again; ``total_chunks`` when none is left."""
        done = set(self.completed_chunks) - set(self.redo_chunks)
        return next((index for index in range(self.total_chunks) if index not in done), self.total_chunks)

    def results(self) -> dict[int, Any]:
        """Return each result by the index of its chunk, in index order. The later of two results of a chunk counts.

        Raises:
            StateFormatError: the chunk of a result cannot be told.
        """
        return dict(sorted(zip(self._chunk_of_each(), self.processed_results, strict=True), key=itemgetter(0)))

    def _chunk_of_each(self) -> Sequence[int]:
        by_own = self.version in PAIRED_BY_OWN_INDEX
        return chunk_of_each(self.completed_chunks, self.processed_results, self.result_indices, by_own_index=by_own)

    def replace(self, **changes: Any) -> ProcessingState:
        """Return a copy with some fields changed, checked like a new one.

        Results that are appended belong to the chunks that are appended, in the same order.
        """
        refuse_unknown(changes, [item.name for item in dataclasses.fields(self)])
        if "result_indices" not in changes and changes.keys() & {"completed_chunks", "processed_results"}:
            changes["result_indices"] = self._indices_after(
                changes.get("completed_chunks", self.completed_chunks),
                changes.get("processed_results", self.processed_results),
            )
        return dataclasses.replace(self, **changes)

    def _indices_after(self, completed: Any, results: Any) -> Sequence[int]:
        """Return ``result_indices`` for a copy with these ``results`` and ``completed``, as far as they are known."""
        both = isinstance(completed, list | tuple) and isinstance(results, list | tuple)
        if not both or any(type(index) is not int for index in completed):
            return []  # which is refused
        known = self._chunk_of_each()
        if not set(known) <= set(completed):
            return []
        if len(results) == len(known) and list(completed) == self.completed_chunks:
            return known
        if list(results[: len(known)]) != self.processed_results:
            return []
        before = set(self.completed_chunks)
        new = [index for index in completed if index not in before]
        return [*known, *new] if len(known) + len(new) == len(results) else known

    def to_dict(self) -> dict[str, Any]:
        """Return plain, changeable JSON data with the fields in schema order."""
        return {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessingState:
        """Return the state that JSON data of any released version describes; absent fields take their defaults."""
        if not isinstance(data, Mapping):
            raise StateFormatError(None, f"is of the type {type(data).__name__}, not a JSON object")
        if "version" in data:
            check_version(data["version"])
        refuse_unknown(data, [item.name for item in dataclasses.fields(cls)])
        return cls(**data)

    def to_json(self) -> str:
        """Return the state as indented UTF-8 JSON text, keys in schema order."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProcessingState:
        """Return the state that a JSON text (a state file) describes; the inverse of :meth:`to_json`.

        Unlike :meth:`from_dict`, this refuses a text without version or id: such a file is no state file, and would be
        a new job each time that it is read.
        """
        data = read_json(text)
        for name in ("version", "job_id"):
            if isinstance(data, dict) and name not in data:
                fail(name, "is missing: this is not a state file of checkpoint-store")
        return cls.from_dict(data)


_TITLES: Final = ("video_title", "model", "provider")
"""Text fields that may be null in a state file; the state then has ``""``."""
_OBJECTS: Final = ("config", "metadata")
_ONCE: Final = (
    "version", "job_id", "status", "file_name", *_TITLES, "total_chunks", "started_at", "updated_at", "error_message",
    "config", "metadata",
)  # fmt: skip
"""The fields that are compared one by one; the others are compared together, as results by chunk."""


def _refuse_assignment(_state: object, name: str, value: object) -> NoReturn:
    short = isinstance(value, str | int | float | None) and len(repr(value)) <= _REPR_LENGTH_MAX
    new = "..." if not short else f'"{value}"' if isinstance(value, str) else repr(value)
    raise dataclasses.FrozenInstanceError(
        f"cannot assign to field {name!r}: a state does not change. Make a changed copy, and save that: "
        f"state = state.replace({name}={new})"
    )


_REPR_LENGTH_MAX: Final = 40
# dataclass() sets its own __setattr__, and accepts no other in the class body.
ProcessingState.__setattr__ = _refuse_assignment  # type: ignore[method-assign]


def _check_fields(state: ProcessingState) -> None:
    check_version(state.version)
    for name in ("job_id", "file_name"):
        if not isinstance(getattr(state, name), str):
            fail(name, f"is {short_repr(getattr(state, name))}, not a text")
        check_text(name, getattr(state, name))
    if not state.job_id:
        fail("job_id", "is '', not a non-empty text")
    for name in (*_TITLES, "error_message"):
        if not isinstance(getattr(state, name), str | None):
            fail(name, f"is {short_repr(getattr(state, name))}, neither text nor null")
        check_text(name, getattr(state, name) or "")
    if state.status not in list(JobStatus):
        fail("status", f"is {short_repr(state.status)}, not one of {', '.join(JobStatus)}")
    for name in ("started_at", "updated_at"):
        check_time(name, getattr(state, name))
    for name in _OBJECTS:
        check_object(name, getattr(state, name))
    check_chunks(state.total_chunks, state.completed_chunks)
    check_list("processed_results", state.processed_results)


def _plain(value: Any) -> Any:
    if isinstance(value, JobStatus):
        return value.value
    return thaw(value) if isinstance(value, dict | list | tuple) else value
