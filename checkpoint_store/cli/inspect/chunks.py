"""The commands about the chunks of a job: where each stands, what went wrong, and another try. And: pause."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from checkpoint_store import CheckpointStore, JobStatus
from checkpoint_store.cli import screen
from checkpoint_store.cli.options import job_argument, json_option, open_for_reading, print_json, store_option
from checkpoint_store.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import ChunkRecord, Job

_STATUSES: Final = ("pending", "running", "completed", "failed", "in-doubt")
_COLUMNS: Final = ("CHUNKS", "COUNT", "STATUS", "TRIES", "SINCE", "LAST ERROR")
_LEAST_ERROR: Final = 12
_STYLES: Final = {"running": "cyan", "completed": "green", "failed": "red", "in-doubt": "yellow"}


def _open_to_change(store: str) -> CheckpointStore:
    """Open a store that must exist."""
    return CheckpointStore(store) if Path(store).exists() or "://" in store else open_for_reading(store)


# -- where each stands


def _rows(job: Job) -> Iterator[dict[str, Any]]:
    """Yield all chunks of a job in order, neighbours that have nothing to tell apart as one row."""
    told = {record.chunk_index: ("pending", record) for record in job.errors()}
    told |= {record.chunk_index: ("running", record) for record in job.running_chunks()}
    told |= {record.chunk_index: ("in-doubt", record) for record in job.in_doubt_chunks()}
    told |= {record.chunk_index: ("failed", record) for record in job.failed_chunks()}
    position = 0
    for start, stop in [*job.completed_ranges(), (job.total_chunks, job.total_chunks)]:
        for index in sorted(index for index in told if position <= index < start):
            yield from _row(position, index, "pending")
            status, record = told[index]
            yield from _row(index, index + 1, status, record)
            position = index + 1
        yield from _row(position, start, "pending")
        yield from _row(start, stop, "completed")
        position = stop


def _row(start: int, stop: int, status: str, record: ChunkRecord | None = None) -> Iterator[dict[str, Any]]:
    if start < stop:
        attempt = dict.fromkeys(("attempt", "error", "started_at", "finished_at", "seconds"))
        if record is not None:
            attempt = {name: getattr(record, name) for name in attempt}
        yield {"start": start, "stop": stop, "status": status, **attempt}


@click.command("chunks")
@job_argument()
@click.option("--status", type=click.Choice(_STATUSES), help="Only these.")
@store_option
@json_option
def chunks(*, job: str, status: str | None, store: str, as_json: bool) -> None:
    """Show where the chunks of JOB stand.

    in-doubt: begun and never ended, possibly billed; failed: tried too often,
    and passed over. As JSON, a row is of the chunks from start up to stop.
    """
    with open_for_reading(store) as opened:
        found = opened.job(job)
        rows = list(_rows(found))
    counts = {name: sum(row["stop"] - row["start"] for row in rows if row["status"] == name) for name in _STATUSES}
    rows = [row for row in rows if status in (None, row["status"])]
    if as_json:
        print_json({"job_id": found.job_id, "total_chunks": found.total_chunks, "counts": counts, "chunks": rows})
    elif rows:
        _show_rows(Screen(), rows)
    else:
        Screen().note(f"job {found.job_id[:8]} has no chunk that is {status}" if status else "it has no chunks")


def _show_rows(where: Screen, rows: list[dict[str, Any]]) -> None:
    cells = [_cells(row) for row in rows]
    columns = _COLUMNS if any(error for *_, error in cells) else _COLUMNS[:-1]
    room = max(_LEAST_ERROR, screen.room(_COLUMNS, cells, len(_COLUMNS) - 1, where.out.width))
    table = screen.table(*columns, right=frozenset({1, 3}))
    for start, count, status, *others, error in cells:
        shown = (*others, _first_part(error, room))[: len(columns) - 3]
        table.add_row(start, count, Text(status, style=_STYLES.get(status, "")), *shown)
    screen.print_table(where.out, table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    last = row["stop"] - 1
    since = row["finished_at"] or row["started_at"]
    return (
        f"{row['start']}" if row["start"] == last else f"{row['start']}-{last}",
        f"{row['stop'] - row['start']:,}",
        row["status"],
        str(row["attempt"] or ""),
        screen.ago(datetime.fromisoformat(since)) if since else "",
        screen.plain_error(row["error"]).partition("\n")[0],
    )


def _first_part(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 2]}.."


# -- what went wrong


@click.command("errors")
@job_argument()
@store_option
@json_option
def errors(*, job: str, store: str, as_json: bool) -> None:
    """Show why chunks of JOB are not done: the last try of each.

    A failed chunk used up its tries and is passed over until retry; any other
    is tried again by the next run.
    """
    with open_for_reading(store) as opened:
        found = opened.job(job)
        records = {record.chunk_index: record for record in [*found.errors(), *found.in_doubt_chunks()]}
    ordered = [records[index] for index in sorted(records)]
    if as_json:
        print_json({"job_id": found.job_id, "errors": [dataclasses.asdict(record) for record in ordered]})
        return
    where = Screen()
    for record in ordered:
        _show_error(where, record)
    if not ordered:
        where.note(f"job {found.job_id[:8]} has no chunk that failed or is in doubt")


def _show_error(where: Screen, record: ChunkRecord) -> None:
    when = screen.ago(datetime.fromisoformat(record.finished_at or record.started_at))
    what, style = ("failed", "red") if record.is_last else ("failed, tried again by the next run", "yellow")
    if record.outcome == "abandoned":
        what = "in doubt and passed over" if record.is_last else "in doubt, tried again by the next run"
    head = Text.assemble((f"chunk {record.chunk_index}", "bold"), "  ", (what, style))
    where.out.print(head.append(f"  {screen.tries(record.attempt)}, {when}", style="dim"), soft_wrap=True)
    for line in (screen.plain_error(record.error) or "its process ended before it gave a result").splitlines():
        where.out.print(Text.assemble(("  | ", style), line), soft_wrap=True)


# -- another try, and a rest


@click.command("retry")
@job_argument()
@click.argument("indices", nargs=-1, type=click.IntRange(min=0), metavar="[INDEX]...")
@store_option
@json_option
def retry(*, job: str, indices: tuple[int, ...], store: str, as_json: bool) -> None:
    """Give failed chunks of JOB (these, or all) their tries back.

    The next run of its FILE does them.
    """
    with _open_to_change(store) as opened:
        found = opened.job(job)
        freed = found.retry_failed(*indices)
    if as_json:
        print_json({"job_id": found.job_id, "freed_chunks": freed})
    elif freed:
        Screen().note(f"{screen.chunks(freed)} of job {found.job_id[:8]} will be tried again by the next run")
    else:
        which = "none of these chunks is" if indices else "no chunk is"
        Screen().note(f"{which} failed in job {found.job_id[:8]}: nothing to free")


@click.command("pause")
@job_argument()
@store_option
@json_option
def pause(*, job: str, store: str, as_json: bool) -> None:
    """Pause JOB: every run of it finishes the chunks in hand and ends.

    The next run goes on.
    """
    with _open_to_change(store) as opened:
        found = opened.job(job)
        at_work = len(found.running_chunks())
        found.pause()
        status = found.status
    if as_json:
        print_json({"job_id": found.job_id, "status": status, "running_chunks": at_work})
    elif status is JobStatus.COMPLETED:
        Screen().note(f"job {found.job_id[:8]} is completed: there is nothing to pause")
    else:
        in_hand = f"; {screen.chunks(at_work)} in hand will be finished first" if at_work else ""
        Screen().note(f"job {found.job_id[:8]} ({found.file_name}) is paused{in_hand}")


COMMANDS: Final = (chunks, errors, retry, pause)
