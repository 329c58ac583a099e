"""The records that callers receive: snapshots of a job, immutable and equal to their JSON form."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Final, Literal, NoReturn

from checkpoint_store import codec
from checkpoint_store.errors import Difference, InvalidResultError, StateFormatError, shown
from checkpoint_store.frozen import FrozenDict, FrozenList, freeze, thaw

SCHEMA_VERSION: Final = "1.1"
"""The schema that this version reads and writes: the newest migration, and a state file's ``version``."""
RELEASED_VERSIONS: Final = ("1.0", "1.1")
"""Every version of a state that can be read."""


_second: tuple[int, str] = (-1, "")


def now() -> str:
    """Return the present moment as a store writes it: ISO 8601, UTC, milliseconds. For display, never for order."""
    global _second  # noqa: PLW0603 - one second's text serves all of its moments; a race only writes it twice
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    known, text = _second
    if known != seconds:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = (seconds, text)
    return f"{text}.{nanoseconds // 1_000_000:03d}Z"


def parse_time(text: str) -> datetime:
    """Return a stored time as an aware datetime in UTC; text without an offset is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class JobStatus(StrEnum):
    """Where a job stands. A member equals its own text."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come, without its results."""

    completed_chunks: int
    total_chunks: int
    started_at: datetime
    updated_at: datetime
    chunks_per_minute: float | None
    """Over the last stretch of work (since the job was last opened); None until it has completed a chunk."""

    @property
    def percent(self) -> float:
        """0.0 to 100.0; a job without chunks is done."""
        return 100.0 * self.completed_chunks / self.total_chunks if self.total_chunks else 100.0

    @property
    def remaining_chunks(self) -> int:
        """How many chunks are left."""
        return self.total_chunks - self.completed_chunks


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """The last try at one chunk that is not complete."""

    chunk_index: int
    """0-based."""
    attempt: int
    """1 for the first try."""
    outcome: str
    """``running``, ``failed``, or ``abandoned``: its process ended, or it was given up, and nothing was recorded."""
    error: str | None
    started_at: str
    finished_at: str | None
    seconds: float | None
    is_last: bool
    """Whether the chunk is failed by it: its attempts are used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run would do, said before it does it. Nothing was written to find out."""

    file_name: str
    job_id: str | None
    """The job that would go on, or is complete; None where a new one would begin, or none may."""
    action: Literal["new", "resume", "complete", "reuse", "restart", "refuse"]
    """``complete``: nothing is left. ``reuse`` and ``restart`` begin a new job, ``refuse`` raises ``PlanChanged``."""
    total_chunks: int
    chunks_to_do: int
    """How many would be worked on: neither kept nor passed over. None of them where the run is refused."""
    kept: int
    """Results that would be kept; where the run is refused, those that ``on_change="reuse"`` would keep."""
    in_doubt: tuple[int, ...]
    """Chunks whose last try never ended: it may have been billed, and they are not done."""
    failed: tuple[int, ...]
    """Chunks that used up their attempts: passed over, until they are freed by ``retry_failed``."""
    differences: tuple[Difference, ...]
    """What differs from the earlier job's plan."""
    estimated_cost: float | None
    """The mean cost of a result so far, for each chunk to do; None where no result of a like plan has a ``cost``."""
    estimated_seconds: float | None
    """The mean time of a try so far, for each chunk to do, one after the other; None where it is unknown."""
    spent: float
    """What the results of the job that goes on, or of the earlier one, have cost."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a check found wrong in a store."""

    what: str
    reason: str
    job_id: str | None = None
    chunk_index: int | None = None

    def __str__(self) -> str:
        where = "" if self.job_id is None else f" of job {self.job_id}"
        where += "" if self.chunk_index is None else f", chunk {self.chunk_index}"
        return f"{self.what}{where} {self.reason}"


@dataclass(frozen=True, kw_only=True)
class ProcessingState:
    """A snapshot of one job, equal to its JSON form.

    ``completed_chunks`` are 0-based indices in ascending order (chunks completed without a result come after
    those with one). ``processed_results[k]`` is the result of the chunk that it names in its own
    ``chunk_index``, or else of ``completed_chunks[k]``.

    Raises:
        StateFormatError: a value is of the wrong type, impossible, or cannot be paired; ``field`` names it.
    """

    version: str = SCHEMA_VERSION
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: JobStatus = JobStatus.RUNNING
    file_name: str
    video_title: str | None = None
    model: str | None = None
    provider: str | None = None
    total_chunks: int
    completed_chunks: tuple[int, ...] = ()
    processed_results: tuple[Any, ...] = ()
    started_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    error_message: str | None = None
    config: Mapping[str, Any] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        _check_fields(self)
        config = _frozen("config", "", dict(self.config))
        plain = [_frozen("processed_results", f"[{at}]", result) for at, result in enumerate(self.processed_results)]
        results = pair_results(self.completed_chunks, plain)
        completed = sorted(self.completed_chunks, key=lambda index: (index not in results, index))
        put = object.__setattr__
        put(self, "status", JobStatus(self.status))
        put(self, "completed_chunks", tuple(completed))
        put(self, "processed_results", tuple(results.values()))
        put(self, "config", config)

    @property
    def is_resumable(self) -> bool:
        """Whether it is running or paused and has chunks left."""
        return self.status in (JobStatus.RUNNING, JobStatus.PAUSED) and self.remaining_chunks > 0

    @property
    def remaining_chunks(self) -> int:
        """How many chunks are left."""
        return self.total_chunks - len(self.completed_chunks)

    @property
    def next_chunk_index(self) -> int:
        """The lowest chunk that is not complete; ``total_chunks`` when none is left."""
        done = set(self.completed_chunks)
        return next((index for index in range(self.total_chunks) if index not in done), self.total_chunks)

    def results(self) -> dict[int, Any]:
        """Return each result by the index of its chunk, in index order."""
        return pair_results(self.completed_chunks, self.processed_results)

    def replace(self, **changes: Any) -> ProcessingState:
        """Return a copy with some fields changed, checked like a new one."""
        unknown = changes.keys() - {item.name for item in dataclasses.fields(self)}
        if unknown:
            raise StateFormatError(min(unknown), "is not a field of a state")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, changeable JSON data with the fields in schema order."""
        return {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessingState:
        """Return the state that JSON data of any released version describes."""
        if not isinstance(data, Mapping):
            raise StateFormatError(None, f"is a {type(data).__name__}, not a JSON object")
        names = [item.name for item in dataclasses.fields(cls)]
        if "version" not in data:
            raise StateFormatError("version", "is missing: this is not a state file of checkpoint-store")
        _check_version(data["version"])
        unknown = [name for name in data if name not in names]
        if unknown:
            raise StateFormatError(str(unknown[0]), f"is not a field of a state of version {data['version']}")
        missing = [name for name in names if name not in data and name not in _MAY_BE_ABSENT]
        if missing:
            raise StateFormatError(missing[0], "is missing")
        return cls(**data)

    def to_json(self) -> str:
        """Return the state as indented UTF-8 JSON text, keys in schema order."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProcessingState:
        """Return the state that a JSON text describes; the inverse of :meth:`to_json`."""
        if not isinstance(text, str | bytes):
            raise StateFormatError(None, f"is a {type(text).__name__}, not JSON text")
        try:
            decoded = text.decode("utf-8") if isinstance(text, bytes) else text
            data = json.loads(
                decoded.removeprefix("\ufeff"),
                parse_constant=_no_number,
                parse_float=_number,
                object_pairs_hook=_object,
            )
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise StateFormatError(None, f"is not JSON: {error}") from error
        except StateFormatError:
            raise
        except ValueError as error:
            raise StateFormatError(None, f"is not JSON that can be read: {error}") from error
        return cls.from_dict(data)


_MAY_BE_ABSENT: Final = frozenset({"video_title", "model", "provider", "error_message", "config"})


def pair_results(completed: Sequence[int], results: Sequence[Any]) -> dict[int, Any]:
    """Return each result by its chunk's index, in index order.

    A result that carries its own integer ``chunk_index`` belongs to that chunk; any other to the chunk at the same
    position in ``completed``. The same result twice stands once.

    Raises:
        StateFormatError: a result belongs to no completed chunk, or two different ones to the same chunk.
    """
    known = set(completed)
    paired: dict[int, Any] = {}
    for position, result in enumerate(results):
        own = result.get("chunk_index") if isinstance(result, Mapping) else None
        if isinstance(own, int) and not isinstance(own, bool):
            index = own
        elif position < len(completed):
            index = completed[position]
        else:
            _fail("processed_results", f"[{position}] has no chunk: only {len(completed)} chunks are completed")
        if index not in known:
            _fail(
                "processed_results",
                f"[{position}] says chunk_index {shown(index)}, which is not in completed_chunks",
            )
        if index in paired and not _same(paired[index], result):
            _fail("processed_results", f"[{position}] is a second, different result for chunk {index}")
        paired[index] = result
    return dict(sorted(paired.items()))


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _frozen(name: str, at: str, value: object) -> Any:
    """Return a value of the field ``name``, frozen; what JSON cannot hold is an error with its place in the field."""
    if isinstance(value, FrozenDict | FrozenList):
        return value
    try:
        plain = codec.to_json_value(value, at)
        codec.check(plain, at)
    except InvalidResultError as error:
        raise StateFormatError(name, f"{error.path} {error.reason}".strip()) from error
    except RecursionError:
        raise StateFormatError(name, f"{at} holds itself, or is nested too deeply".strip()) from None
    return freeze(plain)


def _check_version(version: object) -> None:
    if version not in RELEASED_VERSIONS:
        _fail(
            "version",
            f"is {shown(version)}; this version of checkpoint-store reads {', '.join(RELEASED_VERSIONS)}. A newer "
            "one may read it: pip install --upgrade checkpoint-store",
        )


def _check_fields(state: ProcessingState) -> None:
    _check_version(state.version)
    for name in ("job_id", "file_name"):
        if not isinstance(getattr(state, name), str) or not getattr(state, name):
            _fail(name, f"is {shown(getattr(state, name))}, not a non-empty text")
        _check_text(name, getattr(state, name))
    for name in ("video_title", "model", "provider", "error_message"):
        if not isinstance(getattr(state, name), str | None):
            _fail(name, f"is {shown(getattr(state, name))}, neither text nor null")
        _check_text(name, getattr(state, name) or "")
    if state.status not in list(JobStatus):
        _fail("status", f"is {shown(state.status)}, not one of {', '.join(JobStatus)}")
    for name in ("started_at", "updated_at"):
        _check_time(name, getattr(state, name))
    if not isinstance(state.config, Mapping):
        _fail("config", f"is {shown(state.config)}, not an object")
    _check_chunks(state.total_chunks, state.completed_chunks)
    if not isinstance(state.processed_results, list | tuple):
        _fail("processed_results", f"is a {type(state.processed_results).__name__}, not a list")


def _check_text(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        _fail(name, f"is {shown(value)}, which has a lone surrogate: no UTF-8 file can hold it")


def _check_time(name: str, value: object) -> None:
    try:
        parse_time(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        _fail(name, f"is {shown(value)}, not an ISO 8601 time")


def _check_chunks(total: object, completed: object) -> None:
    if type(total) is not int or not 0 <= total < 2**63:
        _fail("total_chunks", f"is {shown(total)}, not a whole number from 0")
    if not isinstance(completed, list | tuple):
        _fail("completed_chunks", f"is a {type(completed).__name__}, not a list")
    for position, index in enumerate(completed):
        if type(index) is not int:
            _fail("completed_chunks", f"[{position}] is {shown(index)}, not a whole number")
        if not 0 <= index < total:
            _fail("completed_chunks", f"[{position}] is {shown(index)}, but total_chunks is {total}")
    if len(set(completed)) != len(completed):
        _fail("completed_chunks", "names a chunk twice")


def _plain(value: Any) -> Any:
    if isinstance(value, JobStatus):
        return value.value
    return thaw(value) if isinstance(value, dict | list | tuple) else value


def _no_number(name: str) -> NoReturn:
    raise StateFormatError(None, f"holds {name}, which is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise StateFormatError(None, f"holds the number {text[:40]}, which is too large to be kept")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise StateFormatError(next(name for name in names if names.count(name) > 1), "stands twice in one object")
    return made


def _fail(name: str, reason: str) -> NoReturn:
    raise StateFormatError(name, reason)
