"""The commands about jobs: ``list``, ``show``, ``results``, ``export``, ``import`` and ``delete``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.inspect import following, listing, tables
from checkpoint_store.cli.inspect.chunk_rows import tried_ranges
from checkpoint_store.cli.inspect.listing import costs_of
from checkpoint_store.cli.options import (
    WholeNumber,
    chosen_job,
    job_argument,
    job_to_delete,
    open_for_reading,
    open_for_writing,
    store_command,
)
from checkpoint_store.cli.paths import STANDARD, FileOrDash, on_one_line, path_text
from checkpoint_store.cli.screen import Screen, chunk_count, counted, to_redo_text
from checkpoint_store.cli.stand_in import open_or_create
from checkpoint_store.cli.stdout import harmless_json, print_array, print_json, print_text
from checkpoint_store.cli.table import print_csv, refuse_two_formats, table_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from checkpoint_store import Job, JobSummary

_TOTAL_FIELDS: Final = (
    "input_tokens",
    "output_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "tokens",
    "seconds",
    "characters_in",
    "characters_out",
)
"""Fields of results whose sums ``show`` prints, where they are not 0."""


def record(job: JobSummary) -> dict[str, Any]:
    """Return a job as JSON data, without its results."""
    progress, total = job.progress, job.progress.total_chunks
    return {
        "job_id": job.job_id,
        "file_name": job.file_name,
        "video_title": job.video_title,
        "model": job.model,
        "provider": job.provider,
        "status": job.status,
        "shown_status": job.shown_status,
        "is_active": job.is_active,
        "is_interrupted": job.is_interrupted,
        "superseded_by": job.superseded_by,
        "total_chunks": total,
        "completed_chunks": progress.completed_chunks,
        "failed_chunks": job.failed_chunks,
        "in_doubt_chunks": job.in_doubt_chunks,
        "in_doubt_with_handle": job.in_doubt_with_handle,
        "redo_chunks": job.redo_chunks,
        "replaced_cost": job.replaced_cost,
        "failed_cost": job.failed_cost,
        # With two digits behind the point, rounded down: 100 means that all are complete.
        "percent": 10_000 * progress.completed_chunks // total / 100 if total else 100.0,
        "chunks_per_minute": progress.chunks_per_minute,
        "seconds_left": job.seconds_left,
        "started_at": progress.started_at.isoformat(),
        "updated_at": progress.updated_at.isoformat(),
        "error_message": job.error_message,
        "config": dict(job.config),
        "metadata": dict(job.metadata),
    }


@store_command("list")
@click.option("--status", type=click.Choice(listing.JOB_STATUSES), help="Only jobs of this status.")
@click.option(
    "--file", "file_name", metavar="NAME", help="Only jobs of this file; its name without the folder will do."
)
@click.option("--since", metavar="WHEN", type=listing.When(), help="Only jobs changed since WHEN: 2026-01-31, 12h, 7d.")
@click.option("--limit", metavar="N", type=WholeNumber(min=1), help="Only the N newest jobs.")
@table_options
def list_jobs(
    *,
    status: str | None,
    file_name: str | None,
    since: datetime | None,
    limit: int | None,
    table_format: str | None,
    store_path: str,
    as_json: bool,
) -> None:
    """List the jobs, the newest first.

    Cost and tokens are what each job paid and used itself; they are left out where
    there are very many results, and --limit brings them back.
    """
    refuse_two_formats(table_format, as_json=as_json)
    with open_for_reading(store_path) as store:
        summaries, unread = listing.readable(store)
        chosen = listing.chosen(summaries, status, listing.names_of(file_name, store.path), since, limit)
        records = [record(job) for job in chosen]
        has_costs = listing.add_costs(records, store.job, _totals)
    if as_json:
        print_json({"store": store_path, "jobs": records} | unread)
    elif table_format is not None:
        print_csv(table_format, listing.LIST_COLUMNS, [row | {"status": row["shown_status"]} for row in records])
    elif (summaries or unread) and not records:
        Screen().note(f"no job of {store_path} matches")
    else:
        tables.show_list(Screen(), records, store_path)
    if not has_costs and not as_json:
        Screen().note("cost and tokens are left out: to read them takes long; choose fewer jobs with --limit")
    if unread:
        raise click.ClickException(unread["error"])


@store_command("show")
@job_argument
@click.option("--follow", is_flag=True, help="Show the job until it ends; Ctrl-C ends the display, not the job.")
def show(*, job_id: str | None, follow: bool, store_path: str, as_json: bool) -> None:
    """Show the progress of JOB, or of the newest job.

    With --follow and without a terminal, print a line when something changes;
    with --json, print the document once the job has ended.
    """
    with open_for_reading(store_path) as store:
        job = chosen_job(store, job_id)
        if follow:
            following.follow(None if as_json else Screen(), lambda: _page_data(job))
        data = _page_data(job) if as_json or not follow else None
        lines = [] if as_json or follow else _resume_lines(job, data or {}, store_path)
    if as_json:
        print_json(data)
    elif data is not None:
        tables.show_job(Screen(), data)
        for line in lines:
            Screen().out.print(line, soft_wrap=True, markup=False, highlight=False)


def _resume_lines(job: Job, data: Mapping[str, Any], store_path: str) -> list[str]:
    from checkpoint_store.cli.run.go_on_lines import resume_lines  # only the page for people says what to do next

    left = data["total_chunks"] - data["completed_chunks"]
    return resume_lines(job, store_path, failed_chunks=data["failed_chunks"], chunks_left=left)


def _page_data(job: Job) -> dict[str, Any]:
    data = record(job.summary())
    field, costs = costs_of(job, data["metadata"])
    return data | {
        **dataclasses.asdict(costs),
        "totals": ({field: costs.cost} if costs.cost else {}) | _totals(job),
        "completed_ranges": job.completed_ranges(),
        **tried_ranges(job),
        "runners": [dataclasses.asdict(runner) for runner in job.runners()],
    }


def _totals(job: Job, names: Iterable[str] = _TOTAL_FIELDS) -> dict[str, int | float]:
    """Return the sums, over the results that a job paid for, of the usual fields that they have; no sum that is 0."""
    return {name: value for name, value in job.totals(*names, missing="skip", carried=False).items() if value}


@store_command("results")
@job_argument
@click.option("--field", metavar="NAME", help="Only this field of each result.  [default: cleaned_text, if it has one]")
def results(*, job_id: str | None, field: str | None, store_path: str, as_json: bool) -> None:
    """Print the results of JOB so far, in order.

    The results are printed as they were recorded, with a blank line between two;
    only the output file of run has what stood between the chunks in the source.
    """
    with open_for_reading(store_path) as store:
        job = chosen_job(store, job_id)
        items = _counted_out(job)
        if as_json:
            print_array(_as_records(items, field, job.keys()))
            return
        for text in _as_text(items, field):
            click.echo(text, nl=False)


def _counted_out(job: Job) -> Iterator[tuple[int, Any]]:
    """Yield the results with their chunks; then say on stderr if chunks lack their final result.

    In a file into which stdout goes, the results of a half-done job look whole.
    """
    count = 0
    for item in job.items():
        yield item
        count += 1
    if count < job.total_chunks:
        whole = f"{chunk_count(job.total_chunks)} of job {job.job_id[:8]}"
        Screen().note(f"not all results: {count:,} of the {whole} {'has' if count == 1 else 'have'} a result")
    if to_redo := len(job.to_redo()):
        Screen().note(to_redo_text(to_redo))


def _as_records(
    items: Iterator[tuple[int, Any]], field: str | None, keys: dict[int, str | int]
) -> Iterator[dict[str, Any]]:
    for index, result in items:
        value = result if field is None else _field(index, result, field)
        name = {"key": keys[index]} if index in keys else {}
        yield {"chunk_index": index, **name, "result" if field is None else field: value}


def _as_text(items: Iterator[tuple[int, Any]], field: str | None) -> Iterator[str]:
    prefix = ""
    for index, result in items:
        if field is not None:
            value = _field(index, result, field)
        else:
            value = result.get("cleaned_text", result) if isinstance(result, dict) else result
        yield f"{prefix}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}\n"
        prefix = "\n"


def _field(index: int, result: Any, field: str) -> Any:
    if not isinstance(result, dict):
        raise click.ClickException(f"the result of chunk {index} is no JSON object, so it has no field {field!r}")
    if field not in result:
        has = ", ".join(result) or "none"
        raise click.ClickException(f"the result of chunk {index} has no field {field!r}; it has: {has}")
    return result[field]


@store_command("export")
@job_argument
@click.argument("path", default=STANDARD, type=FileOrDash())
@click.option("--force", is_flag=True, help="Replace any file at PATH.")
def export(*, job_id: str | None, path: Path, force: bool, store_path: str, as_json: bool) -> None:
    """Write JOB as a state file to PATH, or stdout.

    A file at PATH is replaced only if it is an earlier export of JOB.
    """
    with open_for_reading(store_path) as store:
        job = chosen_job(store, job_id)
        if path == STANDARD:
            print_text(harmless_json(job.state().to_json()) + "\n")
            return
        written, progress = job.export(path, replace=force), job.progress()
    if as_json:
        print_json({"job_id": job.job_id, "path": str(written)})
    else:
        done = f"{progress.completed_chunks:,} of {chunk_count(progress.total_chunks)} completed"
        Screen().note(f"exported job {job.job_id[:8]} ({done}) to {path_text(written)}")


@store_command("import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_job(*, path: Path, store_path: str, as_json: bool) -> None:
    """Import the job of the state file FILE into the store."""
    with open_or_create(store_path, lambda trial: trial.import_state(path)) as store:
        data = record(store.import_state(path).summary())
    if as_json:
        print_json(data)
    else:
        done = f"{data['completed_chunks']:,} of {chunk_count(data['total_chunks'])} completed"
        job = f"job {data['job_id'][:8]} ({on_one_line(data['file_name'])}, {data['shown_status']}, {done})"
        Screen().note(f"imported {job} into {store_path}")


@store_command("delete")
@job_argument
@click.option("--yes", is_flag=True, help="Delete. Without this option, only say what would be deleted.")
def delete(*, job_id: str | None, yes: bool, store_path: str, as_json: bool) -> None:
    """Delete JOB and its results for good."""
    with (open_for_writing if yes else open_for_reading)(store_path) as store:
        job = job_to_delete(store, job_id)
        data = record(job.summary())
        if yes:
            from checkpoint_store.cli.run.outputs.log import OutputLog  # most calls of this module delete nothing

            store.delete_job(job.job_id)
            OutputLog(store.path).forget(job.job_id)
    if as_json:
        print_json({"deleted": yes, "job": data})
        return
    count = data["completed_chunks"] + data["redo_chunks"]  # these have their earlier results
    job_text = f"job {data['job_id'][:8]} ({on_one_line(data['file_name'])}, {data['shown_status']})"
    what = f"{job_text} and its {counted(count, 'result')}"
    Screen().note(f"deleted {what}" if yes else f"would delete {what}; nothing is deleted without --yes")
