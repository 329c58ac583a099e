"""The commands about the chunks of a job: ``chunks``, ``errors``, ``retry``, ``redo`` and ``pause``."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from checkpoint_store import JobStatus
from checkpoint_store.cli import screen
from checkpoint_store.cli.inspect.chunk_rows import ATTEMPT_FIELDS, CHUNK_STATUSES, count_in, rows_of
from checkpoint_store.cli.job_snapshot import tries_in_vain
from checkpoint_store.cli.options import (
    chosen_job,
    job_argument,
    open_for_reading,
    open_for_writing,
    store_command,
)
from checkpoint_store.cli.paths import on_one_line, typed_line
from checkpoint_store.cli.run.chunk_ranges import NamedChunks, takes_chunks
from checkpoint_store.cli.run.go_on_lines import resume_line
from checkpoint_store.cli.screen import Screen, to_redo_text
from checkpoint_store.cli.stdout import print_json
from checkpoint_store.cli.table import Column, print_csv, print_fitting, refuse_two_formats, table_options, without_end

if TYPE_CHECKING:
    from checkpoint_store import ChunkRecord

_COLUMNS: Final = (
    Column("CHUNKS"),
    Column("COUNT", is_right=True),
    Column("STATUS"),
    Column("TRIES", is_right=True, may_be_left_out=True),
    Column("SINCE", may_be_left_out=True),
    Column("LAST ERROR", may_be_left_out=True, cut=without_end),
)
_DROPPED_FIRST: Final = ("SINCE", "TRIES", "COUNT")
"""Columns that a narrow screen drops, in this order. The numbers of the chunks and their status stay whole."""
_TABLE: Final = ("start", "stop", "status", *ATTEMPT_FIELDS, "tries", "redo")
_ERROR_TABLE: Final = ("chunk_index", "outcome", "is_last", *ATTEMPT_FIELDS)
_STYLES: Final = {"to-redo": "blue", "running": "cyan", "completed": "green", "failed": "red", "in-doubt": "yellow"}


# -- chunks


@store_command("chunks")
@job_argument
@click.option("--status", type=click.Choice(CHUNK_STATUSES), help="Only chunks of this status.")
@table_options
def chunks(*, job_id: str | None, status: str | None, table_format: str | None, store_path: str, as_json: bool) -> None:
    """Show the status of each chunk of JOB.

    A chunk in doubt was begun and never ended, and may have been billed. Runs skip
    a failed chunk until it is freed by retry. A chunk to redo is done again by
    the next run, and keeps its earlier result until then. A row of --json, --csv
    or --tsv is about the chunks from start up to stop, without stop.
    """
    refuse_two_formats(table_format, as_json=as_json)
    with open_for_reading(store_path) as store:
        job = chosen_job(store, job_id)
        rows = list(rows_of(job))
    counts = {name: count_in(row for row in rows if row["status"] == name) for name in CHUNK_STATUSES}
    to_redo = count_in(row for row in rows if row["redo"])
    rows = [row for row in rows if status in (None, row["status"])]
    if as_json:
        print_json({"job_id": job.job_id, "total_chunks": job.total_chunks, "counts": counts, "chunks": rows})
    elif table_format is not None:
        print_csv(table_format, _TABLE, rows)
    elif rows:
        print_fitting(Screen().out, _COLUMNS, list(map(_cells, rows)), _DROPPED_FIRST)
    else:
        which = f"no chunk that is {status}" if status else "no chunks"
        Screen().note(f"job {job.job_id[:8]} has {which}")
    if to_redo and not as_json and table_format is None:
        Screen().note(to_redo_text(to_redo))


def _cells(row: dict[str, Any]) -> dict[str, str | Text]:
    last = row["stop"] - 1
    since = row["finished_at"] or row["started_at"]
    return {
        "CHUNKS": f"{row['start']}{_key_text(row['key'])}" if row["start"] == last else f"{row['start']}-{last}",
        "COUNT": f"{row['stop'] - row['start']:,}",
        "STATUS": Text(row["status"], style=_STYLES.get(row["status"], "")),
        "TRIES": str(row["tries"] or ""),
        "SINCE": screen.ago(datetime.fromisoformat(since)) if since else "",
        "LAST ERROR": screen.plain_error(row["error"] or _held(row["handle"])).partition("\n")[0],
    }


def _key_text(key: object) -> str:
    return "" if key is None else f" ({on_one_line(str(key))})"


# -- errors


@store_command("errors")
@job_argument
@table_options
def errors(*, job_id: str | None, table_format: str | None, store_path: str, as_json: bool) -> None:
    """Show the last error of each chunk of JOB that is left.

    A failed chunk used up its attempts: runs skip it until retry frees it. The
    next run tries any other chunk again.
    """
    refuse_two_formats(table_format, as_json=as_json)
    with open_for_reading(store_path) as store:
        job = chosen_job(store, job_id)
        records = {record.chunk_index: record for record in [*job.errors(), *job.in_doubt_chunks()]}
        summary = job.summary()
        ordered = [records[index] for index in sorted(records)]
        attempt_counts = tries_in_vain(job, ordered)
    if as_json:
        status = {
            "status": summary.status,
            "shown_status": summary.shown_status,
            "is_interrupted": summary.is_interrupted,
            "superseded_by": summary.superseded_by,
        }
        print_json({"job_id": job.job_id, **status, "errors": [dataclasses.asdict(record) for record in ordered]})
        return
    if table_format is not None:
        print_csv(table_format, _ERROR_TABLE, map(dataclasses.asdict, ordered))
        return
    terminal = Screen()
    for record in ordered:
        _show_error(terminal, record, attempt_counts[record.chunk_index])
    if not ordered:
        terminal.note(f"job {job.job_id[:8]} has no chunk that failed or is in doubt")
    if summary.is_superseded:
        terminal.note(f"job {job.job_id[:8]} is superseded by job {str(summary.superseded_by)[:8]}")
    if summary.is_interrupted:
        left = screen.chunk_count(summary.progress.remaining_chunks)
        terminal.note(f"job {job.job_id[:8]} is interrupted: nobody works on it, and {left} of it are not complete")


def _show_error(terminal: Screen, record: ChunkRecord, attempt_total: int) -> None:
    when = screen.ago(datetime.fromisoformat(record.finished_at or record.started_at))
    what, style = ("failed", "red") if record.is_last else ("failed, tried again by the next run", "yellow")
    if record.outcome == "abandoned":
        what = "in doubt and passed over" if record.is_last else "in doubt, tried again by the next run"
    head = Text.assemble((f"chunk {record.chunk_index}{_key_text(record.key)}", "bold"), "  ", (what, style))
    terminal.out.print(head.append(f"  {screen.attempt_count(attempt_total)}, {when}", style="dim"), soft_wrap=True)
    for line in (screen.plain_error(record.error) or "its process ended before it gave a result").splitlines():
        terminal.out.print(Text.assemble(("  | ", style), line), soft_wrap=True)
    if record.handle is not None:
        terminal.out.print(Text.assemble(("  | ", style), screen.plain(_held(record.handle))), soft_wrap=True)


def _held(handle: str | None) -> str:
    return "" if handle is None else f"handle {on_one_line(handle)}"


# -- retry, redo and pause


@store_command("retry")
@takes_chunks
def retry(wanted: NamedChunks) -> None:
    """Give failed CHUNKS of JOB their attempts back.

    Name chunks, such as 3-7, or no chunk to free all failed chunks. The next run
    of the job's FILE tries them again.
    """
    with open_for_writing(wanted.store_path) as store:
        job = chosen_job(store, wanted.job_id)
        indices = wanted.of(job)
        freed = job.retry_failed(*indices)
        left = job.progress().remaining_chunks
    if wanted.as_json:
        print_json({"job_id": job.job_id, "freed_chunks": freed})
    elif freed:
        Screen().note(f"{screen.chunk_count(freed)} of job {job.job_id[:8]} will be tried again by the next run")
    else:
        # Not "failed": a job is failed, too, whose last run ended by an error, and all of its chunks have tries left.
        which = "none of these chunks" if indices else "no chunk"
        goes_on = f"; the next run does what is left, {screen.chunk_count(left)}" if left else ""
        Screen().note(f"{which} of job {job.job_id[:8]} has used up its tries: nothing to free{goes_on}")


@store_command("redo")
@takes_chunks
def redo(wanted: NamedChunks) -> None:
    """Have complete CHUNKS of JOB done again, such as 3-7.

    The next run does them, as chunks that are left. The result of each stays until
    its new result is there; what it cost stays counted.
    """
    if not wanted.named and wanted.chunks is None and not wanted.keys:
        taken = "" if wanted.job_id is None else f" ({wanted.job_id} is taken for JOB.)"
        raise click.UsageError(f"name the chunks to do again: JOB 3-7, --chunks 3-7 or --key KEY.{taken}")
    with open_for_writing(wanted.store_path) as store:
        job = chosen_job(store, wanted.job_id)
        count = job.redo(wanted.of(job))
        to_redo, line = job.to_redo(), resume_line(job, wanted.store_path)
    if wanted.as_json:
        print_json({"job_id": job.job_id, "marked_chunks": count, "redo_chunks": to_redo, "resume": line})
        return
    name = f"job {job.job_id[:8]} ({on_one_line(job.file_name)})"
    if count:
        Screen().note(
            f"{screen.chunk_count(count)} of {name} will be done again by the next run; "
            "each earlier result stays until the new result is there"
        )
    else:
        Screen().note(f"nothing changed: these chunks of {name} were to be done again already")
    if line is None:
        run = typed_line(["run"], wanted.store_path, "FILE")
        Screen().note(f"go on as you began the job: with the program that opened it, or with {run}")
    else:
        Screen().out.print(f"go on with: {line}", soft_wrap=True, markup=False, highlight=False)


@store_command("pause")
@job_argument
def pause(*, job_id: str | None, store_path: str, as_json: bool) -> None:
    """Pause JOB.

    Every run of JOB finishes the chunks that it is working on, and ends. The next
    run goes on.
    """
    with open_for_writing(store_path) as store:
        job = chosen_job(store, job_id)
        running = len(job.running_chunks())
        job.pause()
        status = job.status
    if as_json:
        print_json({"job_id": job.job_id, "status": status, "running_chunks": running})
    elif status is JobStatus.COMPLETED:
        Screen().note(f"job {job.job_id[:8]} is completed: there is nothing to pause")
    else:
        running_text = f"; {screen.chunk_count(running)} in hand will be finished first" if running else ""
        Screen().note(f"job {job.job_id[:8]} ({on_one_line(job.file_name)}) is paused{running_text}")
