"""The table of ``list`` and the page of ``show``."""

from __future__ import annotations

import os
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from checkpoint_store.cli import screen
from checkpoint_store.cli.inspect import chunk_rows
from checkpoint_store.cli.inspect.listing import USUAL_FIELDS
from checkpoint_store.cli.messages import spoken
from checkpoint_store.cli.paths import on_one_line, typed_line
from checkpoint_store.cli.run.memory import MEMORY
from checkpoint_store.cli.table import Column, facts_table, print_fitting, print_table, without_beginning, without_end
from checkpoint_store.errors import BudgetReached, ChunkFailed, CostUnknown, DeadlineReached, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from checkpoint_store.cli.screen import Screen

_JOB_ID_LENGTH_MIN: Final = 8
_REDO_MEANING: Final = "each keeps its earlier result until the new result is there"
_VALUE_MAX: Final = 60
"""Show at most this many cells of a setting: a prompt of many lines would push everything else off the screen."""
_COLUMNS: Final = (
    Column("JOB"),
    Column("FILE", cut=without_beginning),
    Column("STATUS"),
    Column("DONE", is_right=True),
    Column("", is_right=True),
    Column("RATE", is_right=True),
    Column("TIME LEFT", is_right=True, may_be_left_out=True),
    Column("UPDATED"),
    *(
        Column(name, is_right=True, may_be_left_out=True)
        for name in ("TO REDO", "FAILED", "IN DOUBT", "COST", "TOKENS")
    ),
)
_DROPPED_FIRST: Final = (
    *("RATE", "TOKENS", "UPDATED", "TIME LEFT", "COST", ""),
    *("TO REDO", "IN DOUBT", "FAILED", "STATUS", "DONE"),
)
"""Columns that a narrow screen drops, in this order. The id stays whole, because people type it."""
_OF_LIBRARY: Final = frozenset(
    error.__name__ for error in (BudgetReached, ChunkFailed, CostUnknown, DeadlineReached, ServiceUnavailable)
)
"""Errors with which a loop ends, and which a job keeps as the reason."""


def show_list(terminal: Screen, records: Sequence[dict[str, Any]], store_path: str) -> None:
    """Print one line for each job; without jobs, print a notice."""
    if not records:
        terminal.note(f"{store_path} has no job yet; begin one with: {typed_line(['run'], store_path, 'FILE')}")
        return
    length = _prefix_length([record["job_id"] for record in records])
    costs, tokens = _amounts(records, "cost"), _amounts(records, "tokens")
    rows = [
        _row(record, length) | {"COST": costs.get(record["job_id"], ""), "TOKENS": tokens.get(record["job_id"], "")}
        for record in records
    ]
    print_fitting(terminal.out, _COLUMNS, rows, _DROPPED_FIRST)


def _amounts(records: Sequence[dict[str, Any]], name: str) -> dict[str, str]:
    """Return what the jobs cost or used, by their id, for one column."""
    known = {record["job_id"]: record[name] for record in records if record.get(name) is not None}
    texts = screen.costs(list(known.values())) if name == "cost" else map(screen.number, known.values())
    return dict(zip(known, texts, strict=True))


def _row(record: dict[str, Any], length: int) -> dict[str, str | Text]:
    completed, total = record["completed_chunks"], record["total_chunks"]
    return {
        "JOB": record["job_id"][:length],
        "FILE": on_one_line(record["file_name"]),
        "STATUS": screen.status_text(record["shown_status"]),
        "DONE": f"{completed:,}/{total:,}",
        "": screen.percent(completed, total),
        "RATE": screen.rate(record["chunks_per_minute"]),
        "TIME LEFT": screen.duration(record["seconds_left"]) if record["seconds_left"] else "",
        "UPDATED": screen.ago(datetime.fromisoformat(record["updated_at"])),
        "TO REDO": str(record["redo_chunks"] or ""),
        "FAILED": str(record["failed_chunks"] or ""),
        "IN DOUBT": str(record["in_doubt_chunks"] or ""),
    }


def _prefix_length(job_ids: Sequence[str]) -> int:
    """Return the length of id prefix at which all jobs differ, at least the usual length."""
    pairs = pairwise(sorted(job_ids))
    lengths = (len(os.path.commonprefix(pair)) + 1 for pair in pairs)  # noqa: RUF071 - of texts
    return max(_JOB_ID_LENGTH_MIN, *lengths, 0)


def show_job(terminal: Screen, data: dict[str, Any]) -> None:
    """Print the facts of one job and a map of its chunks."""
    terminal.out.print(Text(on_one_line(data["file_name"]), style="bold"), soft_wrap=True)
    print_table(terminal.out, facts_table(_facts(data)))
    if data["damage"]:  # it has a line to type, which a table would break
        terminal.out.print(Text.assemble(("  damaged  ", "dim"), (data["damage"], "red")), soft_wrap=True)
    if data["total_chunks"]:
        terminal.out.print()
        terminal.out.print(_map(terminal, data))


def job_page(terminal: Screen, data: dict[str, Any]) -> Group:
    """Return what :func:`show_job` prints as one piece, to be drawn again in its place."""
    page: list[Text | Table] = [Text(on_one_line(data["file_name"]), style="bold"), facts_table(_facts(data))]
    if data["total_chunks"]:
        page += [Text(), _map(terminal, data)]
    return Group(*page)


def _map(terminal: Screen, data: dict[str, Any]) -> Text:
    others = {name: data[f"{name.replace(' ', '_')}_ranges"] for name in ("failed", "in doubt", "running")}
    others["to redo"] = data["redo_ranges"]
    picture = chunk_rows.chunk_map(terminal.out, data["completed_ranges"], data["total_chunks"], others)
    present = [name for name, ranges in others.items() if ranges]
    in_ranges = sum(stop - start for ranges in (data["completed_ranges"], *others.values()) for start, stop in ranges)
    legend = chunk_rows.legend(terminal.out, present, is_left=in_ranges < data["total_chunks"])
    return Text("\n").join([picture, legend])


def _facts(data: dict[str, Any]) -> list[tuple[str, str | Text | None]]:
    is_of_command = MEMORY in data["metadata"]
    metadata = {name: value for name, value in data["metadata"].items() if name != MEMORY}
    completed, total, by = data["completed_chunks"], data["total_chunks"], data["superseded_by"]
    held = f", {data['in_doubt_with_handle']:,} with a handle" if data["in_doubt_with_handle"] else ""
    in_doubt_meaning = f"begun and never ended, possibly billed{held}; see errors"
    sums = {name: screen.number(value) for name, value in data["totals"].items() if name not in USUAL_FIELDS}
    updated = datetime.fromisoformat(data["updated_at"])
    started = datetime.fromisoformat(data["started_at"])
    return [
        ("job", data["job_id"]),
        ("status", screen.status_text(data["shown_status"])),
        ("", by and f"superseded by job {by[:_JOB_ID_LENGTH_MIN]}, which was opened later for this file"),
        ("title", data["video_title"]),
        ("model", " from ".join(filter(None, (data["model"], data["provider"])))),
        ("done", f"{completed:,} of {screen.chunk_count(total)}, {screen.percent(completed, total)}"),
        (
            "to redo",
            _count_text(data, "redo_chunks", "each keeps its earlier result until the new result is there", "blue"),
        ),
        ("failed", _count_text(data, "failed_chunks", "passed over; see errors, and retry")),
        ("in doubt", _count_text(data, "in_doubt_chunks", in_doubt_meaning, "yellow")),
        ("rate", _rate_text(data)),
        ("runners", _runners_text(data["runners"])),
        ("started", screen.local_time(started)),
        ("updated", f"{screen.local_time(updated)}, {screen.ago(updated)}"),
        ("cost", _cost_text(data)),
        ("totals", _comma_separated(sums)),
        ("config", _shortened_values(data["config"])),
        ("metadata", _shortened_values(metadata)),
        ("error", _error(data["error_message"], is_of_command=is_of_command)),
    ]


def _runners_text(runners: list[dict[str, Any]]) -> str:
    """Return who is at work. A runner that was stopped for good can be released by its number."""
    return ", ".join(
        f"{row['runner']} (process {row['pid']} on {row['host']}, {screen.chunk_count(row['chunks_in_hand'])} in hand)"
        for row in runners
        if row["is_alive"]
    )


def _count_text(data: dict[str, Any], name: str, meaning: str, style: str = "red") -> Text | None:
    return Text.assemble((screen.chunk_count(data[name]), style), f"  ({meaning})") if data[name] else None


def _rate_text(data: dict[str, Any]) -> str | None:
    if not data["chunks_per_minute"]:
        return None
    time_left = f", {screen.duration(data['seconds_left'])} of work left" if data["seconds_left"] else ""
    return f"{screen.rate(data['chunks_per_minute'])}{time_left}"


def _cost_text(data: dict[str, Any]) -> str | None:
    """Return what a job paid, which part of that gave no lasting result, and what another job paid for it."""
    parts = (("failed_cost", "for failed tries"), ("replaced_cost", "for results since replaced"))
    vain = [f"{screen.cost(data[name])} of it {why}" for name, why in parts if data[name]]
    carried = [f"{screen.cost(data['carried'])} more that another job paid"] if data["carried"] else []
    remarks = ", ".join([*vain, *carried])
    return f"{screen.cost(data['cost'] or 0)}{f'  ({remarks})' if remarks else ''}" if data["cost"] or remarks else None


def _comma_separated(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _shortened_values(values: dict[str, Any]) -> Text:
    """Return settings, each on one line and no longer than a person reads; say how to see the whole of a cut value."""
    words = {name: _one_line(value) for name, value in values.items() if value is not None}
    shortened = {name: without_end(text, _VALUE_MAX, "…") for name, text in words.items()}
    text = Text(_comma_separated(shortened))
    if shortened != words:
        text.append("  (cut off; show --json has all of it)", style="dim")
    return text


def _one_line(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split())


def _error(message: str | None, *, is_of_command: bool) -> Text | None:
    """Return why a job ended; where a program runs the job, with the program's arguments and not with options."""
    if not message:
        return None
    name, _, message_alone = message.partition(": ")  # people need only the message of a library error
    text = screen.plain_error(message_alone if name in _OF_LIBRARY else message)
    return Text(spoken(text) if is_of_command else text, style="red")
