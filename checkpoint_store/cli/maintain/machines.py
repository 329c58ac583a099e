"""The commands about other runners, other machines and room: ``release``, ``merge`` and ``prune``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store import CheckpointStoreError
from checkpoint_store.cli.messages import message_of
from checkpoint_store.cli.options import (
    FiniteNumber,
    WholeNumber,
    chosen_job,
    job_argument,
    open_for_reading,
    open_for_writing,
    store_command,
)
from checkpoint_store.cli.paths import on_one_line, printable, typed_line
from checkpoint_store.cli.run.outputs.log import OutputLog
from checkpoint_store.cli.screen import Screen, chunk_count
from checkpoint_store.cli.stand_in import open_or_create
from checkpoint_store.cli.stdout import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store import CheckpointStore, JobSummary, MergeReport, PruneReport


@store_command("release")
@job_argument
@click.option("--runner", required=True, type=WholeNumber(min=1), metavar="N", help="The runner's number, from show.")
def release(*, job_id: str | None, runner: int, store_path: str, as_json: bool) -> None:
    """Give the chunks of a stopped runner of JOB to others.

    Use this for a process that was stopped, or a container that was paused, for
    good. The chunks of a killed process are free without this. If the process goes
    on after all, the chunks that it has in hand may be paid for twice; it starts no
    further chunk.
    """
    with open_for_writing(store_path) as store:
        job = chosen_job(store, job_id)
        released = {record.runner: record for record in job.runners()}.get(runner)
        freed = job.release_runner(runner)
    assert released is not None  # else release_runner has raised
    if as_json:
        print_json({"job_id": job.job_id, "freed_chunks": freed, **dataclasses.asdict(released)})
        return
    Screen().note(f"released runner {runner} of job {job.job_id[:8]}: others can work on its {chunk_count(freed)}")
    if released.is_alive:
        risk = "if it goes on, the chunks in its hand may be paid for twice. End that process."
        who = f"process {released.pid} on {released.host}"
        Screen().note(f"checkpoint-store: {who} is not dead: {risk}", style="yellow")


@store_command("merge")
@click.argument(
    "others", metavar="OTHER...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def merge(*, others: tuple[Path, ...], store_path: str, as_json: bool) -> int:
    """Merge the stores or state files of other machines.

    Each OTHER is only read. A job of the same plan gets the results that it
    lacks; a job that the store lacks is added. Merging again changes nothing.
    Exit 1: a chunk has another result in OTHER (the store keeps its own), or a
    job was passed over. Exit 2: an OTHER cannot be merged; the others are.
    """
    reports: list[MergeReport] = []
    failures: list[dict[str, str]] = []
    screen = Screen()
    with open_or_create(store_path, lambda trial: _merge_any(trial, others)) as store:
        for other in others:
            try:
                reports.append(store.merge(other))
            except CheckpointStoreError as error:
                if len(others) == 1:
                    raise
                message = message_of(error, store_path)
                failures.append({"path": printable(other), "error": message, "type": type(error).__name__})
                screen.error(message)
                continue
            if not as_json:
                _show_merge(screen, other, reports[-1])
    if as_json:
        failure = {"error": failures[0]["error"], "type": failures[0]["type"], "exit_code": 2} if failures else {}
        merged = [{"path": printable(each.path), "jobs": list(map(dataclasses.asdict, each.jobs))} for each in reports]
        print_json(failure | {"store": store_path, "merged": merged, "not_merged": failures})
    if failures:
        return 2
    is_clean = not any(job.contradictions or job.passed_over for report in reports for job in report.jobs)
    return 0 if is_clean else 1


def _merge_any(trial: CheckpointStore, others: Sequence[Path]) -> None:
    """Merge the first store that can be merged; if no store can be, raise the error of the first store."""
    errors = []
    for other in others:
        try:
            trial.merge(other)
        except CheckpointStoreError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def _show_merge(screen: Screen, other: Path, report: MergeReport) -> None:
    screen.note(printable(other))
    for job in report.jobs:
        screen.note(f"  {job}")
    if not report.jobs:
        screen.note("  it has no job")


_DAYS_MAX: Final = 365_000
_DAYS: Final = FiniteNumber(f"no number of days from 0 to {_DAYS_MAX:,}", min=0, max=_DAYS_MAX)


@store_command("prune")
@click.option("--keep-last", metavar="N", type=WholeNumber(min=0), help="Keep the N jobs that were opened last.")
@click.option("--older-than", "days", metavar="DAYS", type=_DAYS, help="Keep what changed in the last DAYS days.")
@click.option("--yes", is_flag=True, help="Delete. Without this option, only say what would be deleted.")
def prune(*, keep_last: int | None, days: float | None, yes: bool, store_path: str, as_json: bool) -> None:
    """Delete old and superseded jobs, and files moved aside.

    The output says what is deleted, and how much room that gives back. If the file
    of a deleted job is run again, its chunks are paid for again: keep at least as
    many jobs as there are files that are run again and again.

    These are deleted: superseded and complete jobs that neither --keep-last nor
    --older-than keeps (without these options, no job); with --older-than, old
    attempts at complete chunks, too; files that a recovery or a restoring moved
    aside; automatic backups but the newest two.
    """
    with (open_for_writing if yes else open_for_reading)(store_path) as store:
        summaries = {summary.job_id: summary for summary in store.summaries()}
        report = store.prune(keep_last=keep_last, older_than_days=days, dry_run=not yes)
        if yes:
            for job_id in report.jobs:
                OutputLog(store.path).forget(job_id)
    if as_json:
        print_json(dataclasses.asdict(report) | {"files": [printable(path) for path in report.files]})
    else:
        _show(Screen(), report, summaries, store.path)


def _show(screen: Screen, report: PruneReport, summaries: dict[str, JobSummary], store_file: Path) -> None:
    for job_id in report.jobs:
        job, progress = summaries[job_id], summaries[job_id].progress
        done = f"{progress.completed_chunks:,} of {chunk_count(progress.total_chunks)}"
        text = f"job   {job_id[:8]}  {on_one_line(job.file_name)}  {job.shown_status}, {done}"
        screen.out.print(text, soft_wrap=True)
    for path in report.files:
        name = path.name if path.parent == store_file.parent else path  # a stand-in of plan is elsewhere
        screen.out.print(f"file  {printable(name)}", soft_wrap=True)
    newest = sum(summaries[job_id].superseded_by is None for job_id in report.jobs)
    if newest:
        screen.note(f"the newest jobs of their files among these: {newest:,}; to run such a file again is to pay again")
    names = [path.name for path in report.files if path.parent == store_file.parent]
    replaced = [name for name in names if name.startswith(f"{store_file.name}.replaced-") and name.endswith("Z")]
    if replaced and report.dry_run:
        line = typed_line(["merge", *(str(store_file.with_name(name)) for name in replaced)], store_file)
        screen.note(f"a store that was replaced may have results that this store lacks; to take them in first: {line}")
    screen.note(str(report) if report.dry_run is False else f"{report}; nothing is deleted without --yes")
