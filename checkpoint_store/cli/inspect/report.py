"""The command ``report``: a page to look at, with the inputs of the chunks beside their results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.filesize import decimal

from checkpoint_store import InvalidArgumentError, ReportTargetError, report
from checkpoint_store.cli.messages import spoken
from checkpoint_store.cli.options import (
    FiniteNumber,
    WholeNumber,
    chosen_job,
    complete_job,
    open_for_reading,
    store_command,
)
from checkpoint_store.cli.paths import STANDARD, FileOrDash, job_name, path_text, printable
from checkpoint_store.cli.run.inputs import UnusableInputError
from checkpoint_store.cli.run.plan_options import checked_encoding, checked_field
from checkpoint_store.cli.run.request import Request, cuts_files
from checkpoint_store.cli.screen import Screen, chunk_count, counted
from checkpoint_store.cli.stdout import print_json
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.split import UnknownTokenizerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checkpoint_store import CheckpointStore, Job


def inputs_of(
    store: CheckpointStore, jobs: Sequence[Job], paths: Iterable[Path], encoding: str | None
) -> dict[str, list[Any]]:
    """Return the chunks in these files by the id of their job, or raise :class:`UnusableInputError`."""
    by_job: dict[str, list[Any]] = {}
    for path in paths:
        name = job_name(path, store.path)
        made_of_it = [job for job in jobs if job.file_name == name and _is_of_run(job.config)]
        if made_of_it:
            by_job |= _fitting(path, made_of_it, encoding)
        elif path.suffix.lower() in (".json", ".jsonl"):
            by_job[_only(jobs, path).job_id] = _listed(path)
        else:
            reason = "no job of the report is run's job of this file; name its JOB, or give its chunks as .jsonl"
            raise UnusableInputError(f"{printable(path)}: {reason}")
    return by_job


def _is_of_run(config: Mapping[str, Any]) -> bool:
    """Return whether ``run`` may have made a job with this config, and can cut the file again."""
    cleaner = config.get("cleaner")
    is_cleaner = isinstance(cleaner, Sequence) and all(isinstance(word, str) for word in cleaner)
    return is_cleaner and cuts_files(config)


def _fitting(path: Path, jobs: Sequence[Job], encoding: str | None) -> dict[str, list[Any]]:
    """Return the chunks for each job that has as many chunks as the file: any other job was made of another text."""
    cut = {job.job_id: _cut_again(path, job, encoding) for job in jobs}
    fitting = {job.job_id: cut[job.job_id] for job in jobs if len(cut[job.job_id]) == job.total_chunks}
    if not fitting:
        now, before = len(cut[jobs[0].job_id]), jobs[0].total_chunks
        was = f"{chunk_count(now)} now, and had {before:,} for job {jobs[0].job_id[:8]}"
        raise UnusableInputError(f"{printable(path)} has {was}; it was changed since")
    return fitting


def _only(jobs: Sequence[Job], path: Path) -> Job:
    if len(jobs) != 1:
        reason = f"it has the chunks of one job, and the report has {len(jobs)}; name the JOB"
        raise UnusableInputError(f"{printable(path)}: {reason}")
    return jobs[0]


def _listed(path: Path) -> list[Any]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        chunks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableInputError(f"{printable(path)} cannot be read as JSON: {error}") from error
    if isinstance(chunks, dict):
        return list(chunks.values())
    if not isinstance(chunks, list):
        raise UnusableInputError(f"{printable(path)} is no JSON array of chunks, and no object of keys and chunks")
    return chunks


def _cut_again(path: Path, job: Job, encoding: str | None) -> list[Any]:
    """Return what identified the chunks of a job of ``run``, which holds their texts."""
    config = job.config
    has_command = not isinstance(config["cleaner"], str)
    request = Request(
        files=(path,),
        command=tuple(config["cleaner"]) if has_command else (),
        split=config.get("split", "text"),
        chunk_size=config.get("chunk_size", 0),
        unit=config.get("unit", "characters"),
        tokenizer=config.get("tokenizer"),
        overlap=config.get("overlap", 0),
        language=config.get("language"),
        encoding=encoding,
        plain_text="reader" not in config,
    )
    try:
        content = request.read(path)
    except (UnreadableTranscriptError, UnknownTokenizerError) as error:
        raise UnusableInputError(str(error)) from error
    identify = content.fingerprint if not has_command else (lambda chunk: chunk.content)
    return [identify(chunk) for chunk in content.chunks]


_MEGABYTE: Final = 1024 * 1024
_REPORT_INTERVAL_SECONDS: Final = 5.0


@store_command("report")
@click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=complete_job)
@click.option(
    "--output",
    "-o",
    metavar="PATH",
    type=FileOrDash(),
    default="report.html",
    show_default=True,
    help="Where the page goes; its name ends with .html. - is standard output.",
)
@click.option("--all", "all_jobs", is_flag=True, help="Show all jobs of the store.")
@click.option("--follow", is_flag=True, help="Write the page again as the work goes on; a browser loads it again.")
@click.option(
    "--every",
    metavar="SECONDS",
    type=FiniteNumber(),
    default=_REPORT_INTERVAL_SECONDS,
    show_default=True,
    help="With --follow: how often to look whether something changed.",
)
@click.option(
    "--input",
    "inputs",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show the chunks of FILE beside their results: a file that run worked on, or the chunks of a single JOB as a "
    ".json array or .jsonl lines (repeatable).",
)
@click.option(
    "--encoding", metavar="NAME", callback=checked_encoding, help="The encoding of the inputs.  [default: utf-8]"
)
@click.option(
    "--cost",
    metavar="FIELD",
    default="cost",
    show_default=True,
    callback=checked_field,
    help="The field of the results that holds the cost, or a dotted path such as usage.cost.",
)
@click.option(
    "--max-text",
    metavar="MB",
    type=WholeNumber(min=0),
    default=16,
    show_default=True,
    help="The most text of results and inputs that the page holds; the rest is counted.",
)
@click.option("--force", is_flag=True, help="Replace any file at PATH, and not only an earlier report.")
def report_command(
    *,
    jobs: tuple[str, ...],
    all_jobs: bool,
    output: Path,
    follow: bool,
    every: float,
    inputs: tuple[Path, ...],
    encoding: str | None,
    cost: str,
    max_text: int,
    force: bool,
    store_path: str,
    as_json: bool,
) -> None:
    """Write a page about the JOBs, or the newest job.

    One HTML file with no need of a network: where each job stands, the map of its
    chunks, time and cost, tries and errors, settings and what changed in them, and
    each result. The store is only read. A file at PATH is replaced only if it is
    an earlier report of this store.
    """
    report.require_extra()
    if all_jobs and jobs:
        raise click.UsageError("--all and JOB exclude each other.")
    if follow and output == STANDARD:
        raise click.UsageError("--follow needs a file that it can write again.")
    if as_json and output == STANDARD:
        raise click.UsageError("--json prints on standard output, and so does the page: name a file with --output.")
    with open_for_reading(store_path) as store:
        chosen = None if all_jobs else [chosen_job(store, job and printable(job)) for job in jobs or (None,)]
        options: dict[str, Any] = {"cost": cost, "text_bytes_max": max_text * _MEGABYTE}
        try:
            options["inputs"] = inputs_of(store, store.jobs() if chosen is None else chosen, inputs, encoding)
        except (UnusableInputError, InvalidArgumentError) as error:
            raise click.ClickException(str(error)) from error
        if output == STANDARD:
            for page_part in report.pieces(store, chosen, **options):
                click.echo(page_part, nl=False)
            return
        output = output.absolute()  # a browser has no working folder, and neither has who reads the log of a cron job
        try:
            if follow:
                _follow(store, output, chosen, every, force=force, options=options, quiet=as_json)
            else:
                report.write(store, output, chosen, replace=force, **options)
        except ReportTargetError as error:
            reason = spoken(error.reason)
            raise click.ClickException(f"no report is written to {path_text(output)}: {reason}") from error
        _tell(store, output, chosen, as_json=as_json)


def _follow(
    store: CheckpointStore,
    output: Path,
    jobs: Sequence[Job] | None,
    every: float,
    *,
    force: bool,
    options: dict[str, Any],
    quiet: bool,
) -> None:
    times = 0

    def note_written(_: Path) -> None:
        nonlocal times
        times += 1
        if times == 1 and not quiet:
            Screen().note(f"{path_text(output)} follows the work; open it in a browser. Ctrl-C ends that.")

    try:
        report.follow(store, output, jobs, every_seconds=every, replace=force, on_written=note_written, **options)
    except KeyboardInterrupt:  # the usual way to end it: the last page is written
        if not times:
            raise


def _tell(store: CheckpointStore, output: Path, jobs: Sequence[Job] | None, *, as_json: bool) -> None:
    reported_jobs = store.jobs() if jobs is None else jobs
    chunks = sum(job.total_chunks for job in reported_jobs)
    size_bytes = output.stat().st_size
    if as_json:
        print_json({"report": str(output), "jobs": [job.job_id for job in reported_jobs], "size_bytes": size_bytes})
    else:
        count = counted(len(reported_jobs), "job")
        Screen().note(f"{path_text(output)}: {count}, {chunk_count(chunks)}, {decimal(size_bytes)}")
