"""The work on one input: open its job, do the chunks that are left, write the joined text."""

from __future__ import annotations

import dataclasses
import shlex
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store import JobNotFound, JobStatus
from checkpoint_store.cli.job_snapshot import JobSnapshot, tries_in_vain
from checkpoint_store.cli.paths import input_text, printable
from checkpoint_store.cli.run.command.answer import TEXT_FIELD, OtherFormError, UnreadAnswerError, field_at
from checkpoint_store.cli.run.command.outcome import CommandFailedError, CommandKilledError, ServiceAwayError
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.run.limits import FAILURES
from checkpoint_store.cli.run.opening import open_job, with_results_of_links
from checkpoint_store.cli.run.outputs.output import UnusableOutputError
from checkpoint_store.cli.run.progress import LiveView
from checkpoint_store.cli.run.task_records import DONE, FAILED, INTERRUPTED, PAUSED, UNUSABLE, Report
from checkpoint_store.cli.run.work import COPY_BEGINS, Work, cost_unknown_text, kept_answers
from checkpoint_store.cli.screen import attempt_count, duration, indices, plain_error
from checkpoint_store.cli.screen import cost as amount
from checkpoint_store.errors import (
    BudgetReached,
    CheckpointStoreError,
    ChunkFailed,
    ChunksPassedOver,
    CostUnknown,
    DeadlineReached,
    InvalidResultError,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store import CheckpointStore, Job, RunPlan
    from checkpoint_store.cli.run.run_context import RunContext
    from checkpoint_store.cli.run.task_records import Task


_SERVICE_AWAY: Final = f"HTTP {ServiceAwayError.status_code}"
"""How the loop counts a COMMAND that says by its exit code that its service is away."""
_PLAIN_KINDS: Final = {
    CommandFailedError.__name__: ("failure of COMMAND", "failures of COMMAND"),
    UnreadAnswerError.__name__: ("answer that could not be read", "answers that could not be read"),
    InvalidResultError.__name__: ("result that is no JSON", "results that are no JSON"),
}


def do_task(store: CheckpointStore, task: Task, context: RunContext) -> Report:
    """Do the chunks of one input that are left, and return the report.

    :class:`PlanChanged` and :class:`UnusableOutputError`: no chunk was begun.
    """
    has_results = any(summary.progress.completed_chunks for summary in store.summaries(file_name=task.file_name))
    may_begin_anew = not has_results or task.settings["on_change"] == "reuse"
    if not task.output.may_be_written() or may_begin_anew:  # else no plan, which adds up the costs of a job
        plan = store.plan(task.file_name, chunks=task.chunks, **task.settings)
        task, plan, other_name = with_results_of_links(store, store.path, task, plan)
        refuse_output(store, task, plan)
        if other_name is not None:
            context.screen.note(f"{input_text(task.path)} is another name of {other_name}, whose results it takes over")
        if plan.kept_elsewhere and task.settings["on_change"] != "restart":
            context.screen.note(f"{input_text(task.path)}: {elsewhere_text(plan, task.settings['on_change'])}")
    job = open_job(store, task, context.limits.only)
    if context.limits.frees_failed:
        job.retry_failed()  # only now: this input and its settings are those of the job
    progress = job.progress()
    report = Report(printable(task.path), job_id=job.job_id, total_chunks=progress.total_chunks)
    report.done_before = report.completed_chunks = progress.completed_chunks
    context.files.begun = report
    snapshot = JobSnapshot(job, context.limits.cost)
    if isinstance(context.clean, Command) and (kept := kept_answers(store, job, task)):
        task = dataclasses.replace(task, kept=kept)
    try:
        _do(job, task, report, snapshot, context)
    except (CheckpointStoreError, OSError) as error:
        _fill_in_what_is_known(report, snapshot, is_deleted=isinstance(error, JobNotFound))
        raise
    return report


def _do(job: Job, task: Task, report: Report, snapshot: JobSnapshot, context: RunContext) -> None:
    if isinstance(context.clean, Command) and not context.clean.has_answered:
        # Only the job's own results count: carried results may be those of another COMMAND.
        context.clean.has_answered = any(each.source_job_id is None for each in job.completions())
    if report.total_chunks > report.done_before:
        only = context.limits.only
        context.failures.begin(only.count_left(job) if only is not None else report.total_chunks - report.done_before)
        _process_chunks(job, task, report, snapshot, context)
    _fill_in(job, report, snapshot, context)
    if report.exit_code == DONE and not report.left_to_others:
        try:
            _write(job, report, task)
        except UnusableOutputError as error:  # the report has what was done and paid for
            report.exit_code, report.error = UNUSABLE, str(error)


def _fill_in_what_is_known(report: Report, snapshot: JobSnapshot, *, is_deleted: bool) -> None:
    """Count the chunks that are still done if an error of the store ends the work: by now it may be unreadable."""
    with suppress(CheckpointStoreError, OSError):
        snapshot.refresh(force=True)
    known = max(report.done_before + report.done_now, snapshot.completed_chunks)
    report.completed_chunks = 0 if is_deleted else known
    report.cost, report.cost_now = snapshot.cost, snapshot.cost_now
    report.failed_chunks, report.in_doubt_chunks = snapshot.failed_chunks, snapshot.in_doubt_chunks


def _process_chunks(job: Job, task: Task, report: Report, snapshot: JobSnapshot, context: RunContext) -> None:
    started, interrupts, failures = time.monotonic(), context.interrupts, context.failures
    work = Work(task, context.clean)
    view = LiveView(
        context.screen,
        report.name,
        before=report.done_before,
        total=report.total_chunks,
        stopping=lambda: interrupts.requested,
        snapshot=snapshot,
        files=context.files,
        waits_after=lambda: failures.waits_after,
    )
    try:
        with view, warnings.catch_warnings():
            warnings.simplefilter("ignore", ChunksPassedOver)  # _fill_in counts them
            try:
                for item in job.map(work, **context.map_options):
                    report.done_now += 1
                    view.advance()
                    work.show_words(context.screen, item.index)
            finally:  # of results that the end of the loop recorded, too
                work.show_words(context.screen)
    except CommandKilledError:
        pass  # the second Ctrl-C, for which _fill_in sets the exit code, or --halt now
    except FAILURES as error:
        text = f"{error.path} {error.reason}" if isinstance(error, InvalidResultError) else str(error)
        report.failed_chunk, report.error = error.chunk_index, f"chunk {error.chunk_index}: {text}"
        report.answer_kept = isinstance(error, InvalidResultError)
        report.is_misread = isinstance(context.clean, Command) and context.clean.is_misread
        _mark_failed(job, f"{OtherFormError.__name__}: {report.error}" if report.is_misread else report.error)
    except ChunkFailed:
        pass  # _fill_in names the chunk
    except ServiceUnavailable as error:
        report.error, report.exit_code = _away_text(error), PAUSED
    except BudgetReached as error:
        in_doubt = f", {amount(error.reserved)} more in doubt" if error.reserved else ""
        spent = f"{amount(error.spent)} spent{in_doubt}, and the dearest chunk cost {amount(error.dearest_cost)}"
        why = "" if error.last_error is None else f"; the last try failed: {plain_error(error.last_error)}"
        report.error = f"--max-cost {amount(error.max_cost)} is reached: {spent}{why}"
        report.exit_code, report.over_budget = PAUSED, True
    except CostUnknown as error:
        report.error = f"--max-cost needs the cost of each chunk: {cost_unknown_text(error)}"
        report.exit_code, report.cost_unknown = PAUSED, True
    except DeadlineReached:
        report.error, report.exit_code = context.limits.deadline_text, PAUSED
    report.halted = failures.is_over
    if failures.is_over and report.error is None:
        report.error = failures.message
        _mark_failed(job, report.error)
    report.seconds = round(time.monotonic() - started, 3)


def _mark_failed(job: Job, message: str) -> None:
    """Record why this run ended, unless other runners are at work on the job or have completed it."""
    if job.status in (JobStatus.PAUSED, JobStatus.FAILED):
        job.fail(message)


def _away_text(error: ServiceUnavailable) -> str:
    tried = f" (tried {indices(error.tried)})" if error.tried else ""
    text = f"no chunk has succeeded for {duration(error.seconds)}{tried}: {plain_error(error.last_error)}"
    if 0 < error.remaining_chunks <= len(error.tried):  # all that are left: perhaps the service is not at fault
        text += "; if the service answers other calls, mend these chunks, or give them more time (--timeout)"
    return text


def _fill_in(job: Job, report: Report, snapshot: JobSnapshot, context: RunContext) -> None:
    progress = job.progress()
    report.status, report.completed_chunks = job.status, progress.completed_chunks
    snapshot.refresh(force=True)
    report.failed_chunks, report.in_doubt_chunks = snapshot.failed_chunks, snapshot.in_doubt_chunks
    report.redo_chunks = snapshot.redo_chunks
    report.cost, report.cost_now = snapshot.cost, snapshot.cost_now
    report.pause_asked = snapshot.pause_asked
    _fill_in_run(job, report, context)
    if report.exit_code == PAUSED:
        return
    report.sequential = job.sequential
    only, failed = context.limits.only, job.failed_chunks() if report.failed_chunks else []
    report.left_in_part, report.failed_in_part = progress.remaining_chunks, len(failed)
    if only is not None:
        failed = [record for record in failed if record.chunk_index in only]
        report.left_in_part, report.failed_in_part = only.count_left(job), len(failed)
    if report.error is None and progress.remaining_chunks and not report.left_in_part:
        report.left_to_others = progress.remaining_chunks
        return
    if report.error is None and report.only_failed:
        first = failed[0]
        report.failed_chunk = first.chunk_index
        reason = plain_error(first.error).partition(COPY_BEGINS)[0] or "its process ended before it gave a result"
        attempt_total = tries_in_vain(job, [first])[first.chunk_index]
        report.error = f"chunk {first.chunk_index}, after {attempt_count(attempt_total)}: {reason}"
    if report.error is not None:
        report.exit_code = FAILED
    elif progress.remaining_chunks:
        report.exit_code = INTERRUPTED if context.interrupts.stops_now else PAUSED


def _fill_in_run(job: Job, report: Report, context: RunContext) -> None:
    record = job.last_run
    if record is not None:
        away = sorted(getattr(context.clean, "away_codes", ()))
        retries = {_plain_kind(kind, count, away): count for kind, count in record.retries.items()}
        record = dataclasses.replace(record, retries=retries)
        if record.ended == "paused" and context.failures.is_over:
            record = dataclasses.replace(record, reason="--halt ended it")
        elif record.ended == "paused" and context.interrupts.requested:
            record = dataclasses.replace(record, reason="a signal asked for a pause")
        report.run = dataclasses.asdict(record)
        report.run_summary = record.summary if record.completed_chunks or record.retries else None


def _plain_kind(kind: str, count: int, away_codes: Sequence[int]) -> str:
    if away_codes and kind == _SERVICE_AWAY:
        return f"ended with exit code {' or '.join(map(str, away_codes))}"
    singular, plural = _PLAIN_KINDS.get(kind, (kind, kind))
    return singular if count == 1 else plural


def elsewhere_text(plan: RunPlan, on_change: str) -> str:
    """Return what is in the store for chunks that a new job is to do, and which option takes it."""
    where = "under another name or setting"
    taken = "--on-change reuse takes those that were made with the same settings"
    if plan.other_settings:
        ignoring = " ".join(f"--reuse-ignoring {shlex.quote(name)}" for name in plan.other_settings)
        taken += f", --on-change reuse {ignoring} those that differ in nothing else"
    if on_change == "reuse":
        where += ", or by the place of the chunk"
        taken = (
            "--reuse-ignoring NAME, such as model, takes those that differ in nothing else, and --reuse-ignoring "
            "chunks those of which only the place of the chunk is known"
        )
    return f"the store has results for {plan.kept_elsewhere:,} of its chunks {where}; {taken}"


def refuse_output(store: CheckpointStore, task: Task, plan: RunPlan) -> None:
    """Raise :class:`UnusableOutputError` if a run would have to replace a file that is not its own. Writes nothing."""
    if task.output.may_be_written():
        return
    if plan.action == "refuse":
        return  # open_job raises the reason
    is_done = plan.action == "complete" and plan.job_id is not None
    task.output.refuse_unless_result(_text(store.job(str(plan.job_id)), task) if is_done else None)


def _text(job: Job, task: Task) -> str:
    return task.join(task.chunks, _answers(job, task))


def _answers(job: Job, task: Task) -> Iterator[str]:
    """Yield each chunk's text, in order.

    A result has all fields of the answer. So a result that an earlier job took from another field has the text, too.
    """
    field = task.settings["config"].get("result_field", TEXT_FIELD)
    for index, result in job.items():
        texts = (field_at(result, name) for name in (field, TEXT_FIELD))
        text = next((text for text in texts if isinstance(text, str)), None)
        if text is None:
            missing = f"chunk {index} of job {job.job_id} has no {TEXT_FIELD}"
            raise UnusableOutputError(f"{missing}; let that chunk be done again: redo {job.job_id} --chunks {index}")
        yield text if task.is_raw else text.strip()


def _write(job: Job, report: Report, task: Task) -> None:
    report.output = printable(task.output.path)
    outcome = task.output.write(_text(job, task), job.job_id, has_new_results=report.done_now > 0)
    report.output_written, report.output_edited = outcome == "written", outcome == "edited"
