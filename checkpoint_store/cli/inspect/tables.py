"""Tables and pictures of jobs."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from checkpoint_store import JobStatus
from checkpoint_store.cli import screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.cli.screen import Screen

_LEAST_PREFIX: Final = 8
_LEAST_NAME: Final = 12
_COLUMNS: Final = ("JOB", "FILE", "STATUS", "DONE", "", "RATE", "UPDATED")
_SPARED: Final = ("RATE", "", "UPDATED")
"""What a narrow screen does without, the first of them first: the id has to be whole, to be typed."""
_RIGHT: Final = frozenset({"DONE", "", "RATE", "FAILED", "IN DOUBT"})
_TROUBLE: Final = {"failed_chunks": "FAILED", "in_doubt_chunks": "IN DOUBT"}
_FILE: Final = 1


def show_list(where: Screen, records: Sequence[dict[str, Any]], store: str) -> None:
    """Print one line for each job, and nothing but a notice where there is none."""
    if not records:
        where.note(f"{store} has no job yet; begin one with: checkpoint-store run FILE")
        return
    length = _prefix_length([record["job_id"] for record in records])
    # Most jobs have no trouble, and need no columns that say so.
    trouble = [name for name in _TROUBLE if any(record[name] for record in records)]
    columns = (*_COLUMNS, *(_TROUBLE[name] for name in trouble))
    rows = [(*_row(record, length), *(str(record[name] or "") for name in trouble)) for record in records]
    for spared in _SPARED:
        if screen.room(columns, rows, _FILE, where.out.width) < _LEAST_NAME:
            at = columns.index(spared)
            columns, *rows = ((*row[:at], *row[at + 1 :]) for row in (columns, *rows))
    room = max(_LEAST_NAME, screen.room(columns, rows, _FILE, where.out.width))
    table = screen.table(*columns, right=frozenset(at for at, name in enumerate(columns) if name in _RIGHT))
    for row, record in zip(rows, records, strict=True):
        status = screen.status_text(JobStatus(record["status"]))
        table.add_row(row[0], _last_part(row[_FILE], room), status, *row[3:])
    screen.print_table(where.out, table)


def _row(record: dict[str, Any], length: int) -> tuple[str, ...]:
    completed, total = record["completed_chunks"], record["total_chunks"]
    return (
        record["job_id"][:length],
        record["file_name"],
        record["status"],
        f"{completed:,}/{total:,}",
        screen.percent(completed, total),
        screen.rate(record["chunks_per_minute"]),
        screen.ago(datetime.fromisoformat(record["updated_at"])),
    )


def _last_part(name: str, room: int) -> Text:
    """The end of a long path is what tells it from its neighbours."""
    return Text(name if len(name) <= room else f"..{name[2 - room :]}")


def _prefix_length(job_ids: Sequence[str]) -> int:
    """How many characters tell all of the jobs apart."""
    ordered = sorted(job_ids)
    shared = (_shared(one, other) + 1 for one, other in pairwise(ordered))
    return max(_LEAST_PREFIX, *shared, 0)


def _shared(one: str, other: str) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def show_job(where: Screen, data: dict[str, Any]) -> None:
    """Print where one job stands, and a map of its chunks."""
    where.out.print(Text(data["file_name"], style="bold"), soft_wrap=True)
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, value in _facts(data):
        facts.add_row(Text(f"  {name}", style="dim"), value if isinstance(value, Text) else Text(value))
    screen.print_table(where.out, facts)
    if data["total_chunks"]:
        where.out.print()
        where.out.print(screen.chunk_map(where.out, data["completed_ranges"], data["total_chunks"]))


def _facts(data: dict[str, Any]) -> list[tuple[str, str | Text]]:
    completed, total = data["completed_chunks"], data["total_chunks"]
    updated = datetime.fromisoformat(data["updated_at"])
    started = datetime.fromisoformat(data["started_at"])
    facts: list[tuple[str, str | Text | None]] = [
        ("job", data["job_id"]),
        ("status", screen.status_text(JobStatus(data["status"]))),
        ("title", data["video_title"]),
        ("model", " from ".join(filter(None, (data["model"], data["provider"])))),
        ("done", f"{completed:,} of {screen.chunks(total)}, {screen.percent(completed, total)}"),
        ("failed", _trouble(data, "failed_chunks", "passed over; see errors, and retry")),
        ("in doubt", _trouble(data, "in_doubt_chunks", "begun and never ended, possibly billed; see errors")),
        ("rate", _pace(data)),
        ("started", screen.local_time(started)),
        ("updated", f"{screen.local_time(updated)}, {screen.ago(updated)}"),
        ("totals", _listed({name: screen.number(value) for name, value in data["totals"].items()})),
        ("config", _listed(data["config"])),
        ("error", _error(data["error_message"])),
    ]
    return [(name, value) for name, value in facts if value]


def _trouble(data: dict[str, Any], name: str, meaning: str) -> Text | None:
    return Text.assemble((screen.chunks(data[name]), "red"), f"  ({meaning})") if data[name] else None


def _pace(data: dict[str, Any]) -> str | None:
    pace = data["chunks_per_minute"]
    left = data["total_chunks"] - data["completed_chunks"] - data["failed_chunks"]  # those are passed over
    if not pace:
        return None
    time_left = f", {screen.duration(60 * left / pace)} left at this rate" if left else ""
    return f"{screen.rate(pace)}{time_left}"


def _listed(values: dict[str, Any]) -> str:
    words = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in words.items())


def _error(message: str | None) -> Text | None:
    return Text(screen.plain_error(message), style="red") if message else None
