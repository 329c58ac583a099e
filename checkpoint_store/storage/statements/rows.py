"""The columns of the tables, and the one reader of stored rows: it checks each value before anybody works with it.

SQLite stores any type in any column: a blob for a name, a text for a number. A file may have been changed by hand, by
another program, or by a fault that no checksum notices. A value that passes can be shown, compared and computed with.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from functools import lru_cache, partial
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidResultError, StoreDamaged, short_repr, size_text
from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.chunks import CHUNKS_MAX
from checkpoint_store.model.clock import parse_time
from checkpoint_store.model.codec import json_rules, json_text
from checkpoint_store.model.records import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Reader = Callable[[Any], Any]
    Readers = Mapping[str, Reader]

_INTEGER_MAX: Final = 2**63 - 1
_STATUSES: Final = {status.value: status for status in JobStatus}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {_seen(value)}, not text")  # noqa: TRY004 - of a stored value, not of an argument
    return value


def _id(value: Any) -> str:
    if not _text(value):
        raise ValueError("is empty")
    return str(value)


def _between(least: int, most: int, value: Any) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"is {_seen(value)}, not a whole number from {least} to {most}")
    return value


def _truth(value: Any) -> bool:
    return bool(_FLAG(value))


def _status(value: Any) -> JobStatus:
    return _STATUSES.get(value) or JobStatus(value)  # an enum takes ten times as long to look up its own member


def _from_0(noun: str, value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"is {_seen(value)}, not {noun}")
    return value


def _moment(value: Any) -> str:
    try:
        if type(value) is str and value.endswith("Z"):  # as this library writes it: turning it into UTC takes longest
            datetime.fromisoformat(value)
            return value
        parse_time(_text(value))
    except (ValueError, OverflowError):
        raise ValueError(f"is {_seen(value)}, not an ISO 8601 time") from None
    return str(value)


def is_moment(value: Any) -> bool:
    """Whether a value is a time that a row may have."""
    try:
        _moment(value)
    except ValueError:
        return False
    return True


def _config(value: Any) -> dict[str, Any]:
    text = _text(value)
    flat = _checked_config(text)
    config: dict[str, Any] = json_text.decode(text) if flat is None else flat.copy()
    return config


@lru_cache(maxsize=256)
def _checked_config(text: str) -> dict[str, Any] | None:
    """Refuse a text that is no config. Return the config, to be copied; None if a copy would share parts of it.

    Cached: many jobs have the same config, and checking it takes longest.
    """
    try:
        config = json_text.decode(text)
        json_rules.check(config, "")
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except InvalidResultError as error:
        raise ValueError(f"{error.path} {error.reason}") from None
    if not isinstance(config, dict):
        raise ValueError(f"is {_seen(text)}, not a JSON object")  # noqa: TRY004 - of a stored value, not of an argument
    return None if any(isinstance(value, dict | list) for value in config.values()) else config


def _seen(value: Any) -> str:
    return f"a blob of {size_text(len(value))}" if isinstance(value, bytes) else short_repr(value)


def _or_null(read: Reader, value: Any) -> Any:
    return None if value is None else read(value)


def _text_or_null(value: Any) -> str | None:
    return None if value is None else _text(value)


def _of_form(noun: str, form: re.Pattern[str], value: Any) -> str:
    if form.fullmatch(_text(value)) is None:
        raise ValueError(f"is {_seen(value)}, not {noun}")
    return str(value)


# By position: the many values of a long list of jobs are read in half of the time that a keyword takes.
_INTEGER: Final = partial(_between, 0, _INTEGER_MAX)
_CHUNK: Final = partial(_between, 0, CHUNKS_MAX)
_FLAG: Final = partial(_between, 0, 1)
_MOMENT_OR_NULL: Final = partial(_or_null, _moment)
_SECONDS_OR_NULL: Final = partial(_or_null, partial(_from_0, "a length of time"))
_DIGEST_OR_NULL: Final = partial(_or_null, partial(_of_form, "a digest", re.compile("[0-9a-f]{32}")))
_FINGERPRINT_OR_NULL: Final = partial(_or_null, partial(_of_form, "a fingerprint", re.compile("[12]:[0-9a-f]{64}")))
_AMOUNT_OR_NULL: Final = partial(_or_null, partial(_from_0, "an amount from 0"))

# Whether all values of a column pass, and stay as they are. These checks call no function of Python's for a value.
_Column = tuple[Any, ...]


def _are_text(column: _Column) -> bool:
    return {*map(type, column)} == {str}


def _are_between(least: int, most: int, column: _Column) -> bool:
    return {*map(type, column)} == {int} and least <= min(column) and max(column) <= most


def _are_moments(column: _Column) -> bool:
    if not _are_text(column) or {text[-1:] for text in column} != {"Z"}:
        return False
    try:
        deque(map(datetime.fromisoformat, column), 0)
    except ValueError:
        return False
    return True


_WHOLE_COLUMN: Final[Mapping[Reader, Callable[[_Column], bool]]] = {
    _INTEGER: partial(_are_between, 0, _INTEGER_MAX),
    _CHUNK: partial(_are_between, 0, CHUNKS_MAX),
    _text: _are_text,
    _id: lambda column: _are_text(column) and "" not in column,
    _text_or_null: lambda column: {*map(type, column)} <= {str, NoneType},
    _moment: _are_moments,
}


def read_column(read: Reader, column: tuple[Any, ...]) -> Iterable[Any]:
    """Return the values of a column, each as ``read`` gives it or refuses it when the value is asked for."""
    if isinstance(read, partial) and read.func is _or_null:
        return column if {*column} == {None} else map(read, column)
    check = _WHOLE_COLUMN.get(read)
    return column if check is not None and check(column) else map(read, column)


JOB: Final[Readers] = {
    "job_number": _INTEGER,
    "job_id": _id,
    "status": _status,
    "file_name": _text,
    "video_title": _text_or_null,
    "model": _text_or_null,
    "provider": _text_or_null,
    "total_chunks": _CHUNK,
    "completed_count": _CHUNK,
    "started_at": _moment,
    "updated_at": _moment,
    "error_message": _text_or_null,
    "config": _config,
    "chunks_digest": _text_or_null,
    "stretch_started_at": _moment,
    "stretch_completed_count": _CHUNK,
    "is_current": _truth,
    "superseded_by": _text_or_null,
    "fingerprint_rule": _INTEGER,
    "looked_number": partial(_or_null, _INTEGER),
    "looked_jobs": partial(_or_null, _INTEGER),
    "looked_chunks": partial(_or_null, _INTEGER),
    "metadata": partial(_or_null, _config),
    "sequential": _truth,
    "redo_count": _CHUNK,
}
"""The readers of the columns of ``jobs``, and of the number of chunks that are to be done again."""
BRIEF_ATTEMPT: Final[Readers] = {
    "chunk_index": _CHUNK,
    "number": partial(_between, 1, _INTEGER_MAX),
    "outcome": lambda value: AttemptOutcome(value).value,
    "error": _text_or_null,
    "started_at": _moment,
    "finished_at": _MOMENT_OR_NULL,
    "seconds": _SECONDS_OR_NULL,
    "is_last": _FLAG,
    "runner_id": _INTEGER,
}
"""The readers of the columns of ``attempts`` that people are shown."""
ATTEMPT: Final[Readers] = {
    **BRIEF_ATTEMPT,
    "counted": _FLAG,
    "cost": _AMOUNT_OR_NULL,
    "reserved_cost": _AMOUNT_OR_NULL,
    "replaced_result_id": partial(_or_null, _INTEGER),
}
SHOWN_ATTEMPT: Final[Readers] = {**BRIEF_ATTEMPT, "handle": _text_or_null, "key": _text_or_null}
"""The readers of an attempt with the handle and the key of its chunk."""
HANDLE: Final[Readers] = {
    "chunk_index": _CHUNK,
    "handle": _text,
    "fingerprint": _FINGERPRINT_OR_NULL,
    "recorded_at": _moment,
}
KEY: Final[Readers] = {"chunk_index": _CHUNK, "key": _text}
REDO: Final[Readers] = {"chunk_index": _CHUNK, "asked_at": _moment, "after_attempt": _INTEGER}
RUNNER: Final[Readers] = {
    "runner_id": _INTEGER,
    "job_id": _text,
    "lock_file": _text,
    "host": _text,
    "pid": _INTEGER,
    "exclusive": _FLAG,
    "started_at": _moment,
    "ended_at": _MOMENT_OR_NULL,
}

COMPLETED: Final[Readers] = {
    "chunk_index": _CHUNK,
    "completed_at": _moment,
    "fingerprint": _FINGERPRINT_OR_NULL,
    "digest": _DIGEST_OR_NULL,
    "source_job_id": _text_or_null,
    "source_chunk_index": partial(_or_null, _CHUNK),
    "source_differs_in": _text_or_null,
    "redo_asked_at": _MOMENT_OR_NULL,
}
READERS: Final[Mapping[str, Readers]] = {
    "attempts": ATTEMPT,
    "runners": RUNNER,
    "completed_chunks": COMPLETED,
    "chunk_handles": HANDLE,
    "chunk_keys": KEY,
    "chunk_redos": REDO,
}
"""The readers of the rows about a job, by table."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    **{table: tuple(dict.fromkeys(("job_id", *readers))) for table, readers in READERS.items()},
    "jobs": tuple(name for name in JOB if name != "redo_count"),
    "runners": tuple(RUNNER),
    "completed_chunks": ("job_id", *COMPLETED, "result_id"),
    "chunk_results": ("result_id", "job_id", "chunk_index", "result", "digest"),
    "deleted_jobs": ("job_id", "deleted_at"),
    "pauses": ("pause_id", "job_id", "asked_at", "cleared_at"),
}
"""The names of the columns, by table. A test compares them with the tables."""


def read_row(
    table: str, readers: Readers, row: Mapping[str, Any], path: Path, job_id: str | None = None
) -> dict[str, Any]:
    """Return the values of a row, each as its reader gives it, or raise :class:`StoreDamaged` for the first bad one."""
    values = {}
    for name, value in row.items():
        try:
            values[name] = readers[name](value)
        except ValueError as error:
            reason = f"{name} {error}" if readers[name] is not _status else f"{name} is {_seen(value)}"
            index = row.get("chunk_index")
            where = job_id if job_id is not None else row.get("job_id")
            raise StoreDamaged(
                path,
                f"its row in {table} cannot be read: {reason}",
                job_id=where if isinstance(where, str) else None,
                chunk_index=index if type(index) is int else None,
            ) from error
    return values
