"""The work on one input: open its job, do the chunks that are left, write the joined text."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import JobStatus, current_attempt
from checkpoint_store.cli.job_snapshot import JobSnapshot
from checkpoint_store.cli.run.progress import LiveView
from checkpoint_store.cli.run.subprocess_worker import CommandFailedError, CommandKilledError, CommandMissingError
from checkpoint_store.cli.screen import attempt_count, plain_error
from checkpoint_store.cli.transcripts.join import join
from checkpoint_store.cli.transcripts.write import cleaned_texts
from checkpoint_store.errors import BudgetReached, ChunkFailed, CostUnknown, InvalidResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job, RunPlan
    from checkpoint_store.cli.run.interrupts import Interrupts
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.read import TranscriptChunk
    from checkpoint_store.cli.transcripts.write import Output

    # Cleans a text; returns the fields of the result (``cleaned_text`` at least) and a message for the screen.
    Clean = Callable[[str], tuple[dict[str, Any], str]]

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
PAUSED: Final = 75
INTERRUPTED: Final = 130

_FAILURES: Final = (CommandFailedError, InvalidResultError)


@dataclass(frozen=True, slots=True)
class Task:
    """One input, its chunks, and the settings of its job."""

    path: Path
    chunks: list[TranscriptChunk]
    output: Output
    file_name: str
    """The name of the job: the path relative to the store's folder."""
    settings: Mapping[str, Any]
    """The arguments of ``open_job`` besides the file and its chunks."""
    joins_lines: bool
    """Whether the cleaner makes one line of each paragraph."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of a run: workers, retries, time and money. They are no part of a job's plan."""

    workers: int = 1
    retries: int = 0
    """Attempts after a chunk's first one."""
    timeout_seconds: float | None = None
    max_cost: float | None = None
    cost: str = "cost"
    """The field of a result, or the dotted path, that holds the cost."""

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``Job.map``."""
        common = {"workers": self.workers, "max_cost": self.max_cost, "cost": self.cost}
        if not self.retries:
            # A failure ends the run and counts against no chunk: the person who runs again has mended its cause.
            return common | {"stop_on": _FAILURES, "max_attempts": sys.maxsize}
        retry_options = {"retry_on": _FAILURES, "stop_on": CommandMissingError, "max_attempts": self.retries + 1}
        return common | retry_options | {"on_error": "record"}


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all inputs of one ``run`` share: the cleaner, the limits, the signals, the screen."""

    clean: Clean
    limits: RunLimits
    interrupts: Interrupts
    screen: Screen


@dataclass(slots=True)
class Report:
    """The outcome of one input."""

    file_name: str
    exit_code: int = DONE
    job_id: str | None = None
    status: JobStatus | None = None
    total_chunks: int = 0
    completed_chunks: int = 0
    done_before: int = 0
    done_now: int = 0
    seconds: float = 0.0
    cost: float | None = None
    cost_now: float | None = None
    failed_chunks: int = 0
    in_doubt_chunks: int = 0
    failed_chunk: int | None = None
    error: str | None = None
    output: str | None = None
    output_written: bool = False
    output_edited: bool = False
    """Whether the output differs from the text of the results: it was edited since, and left as it was."""
    over_budget: bool = False
    """Whether ``--max-cost`` paused the job."""
    cost_unknown: bool = False
    """Whether ``--max-cost`` paused the job because the cost of a result cannot be read."""

    @property
    def only_failed(self) -> bool:
        """Whether all chunks that are left are failed ones, which runs skip until ``retry`` frees them."""
        return 0 < self.failed_chunks == self.total_chunks - self.completed_chunks


def do_task(store: CheckpointStore, task: Task, context: RunContext) -> Report:
    """Do the chunks of one input that are left, and return the report.

    Raises:
        PlanChanged: no job of the file has this input and these settings, and another job of it has results.
        CheckpointStoreError: the store cannot go on; the recorded results are safe.
        UnusableOutputError: the text cannot be written; every result is safe.
    """
    plan = store.plan(task.file_name, chunks=task.chunks, **task.settings)
    _refuse_to_replace(store, task, plan)
    if plan.kept_elsewhere:
        context.screen.note(f"{task.path}: {elsewhere_text(plan)}")
    job = store.open_job(task.file_name, chunks=task.chunks, **task.settings)
    progress = job.progress()
    report = Report(str(task.path), job_id=job.job_id, total_chunks=progress.total_chunks)
    report.done_before = progress.completed_chunks
    snapshot = JobSnapshot(job, context.limits.cost)
    if progress.remaining_chunks:
        _process_chunks(job, report, snapshot, context)
    _fill_in(job, report, snapshot, context.interrupts)
    if report.exit_code == DONE:
        _write(job, report, task)
    return report


def _process_chunks(job: Job, report: Report, snapshot: JobSnapshot, context: RunContext) -> None:
    started, interrupts = time.monotonic(), context.interrupts
    work = _work_function(context.clean, context.screen)
    view = LiveView(
        context.screen,
        report.file_name,
        before=report.done_before,
        total=report.total_chunks,
        stopping=lambda: interrupts.requested,
        snapshot=snapshot,
    )
    try:
        with view:
            for _ in job.map(work, stop_when=lambda: interrupts.requested, on_pause="return", **context.limits.options):
                report.done_now += 1
                view.advance()
    except CommandKilledError:
        pass  # the second Ctrl-C; _fill_in sets the exit code
    except _FAILURES as error:
        report.failed_chunk, report.error = error.chunk_index, f"chunk {error.chunk_index}: {_failure_text(error)}"
        _mark_failed(job, report.error)
    except ChunkFailed:
        pass  # _fill_in names the chunk
    except BudgetReached as error:
        spent = f"{error.spent:.4g} spent, and a chunk costs {error.mean_cost:.4g} on average"
        report.error = f"--max-cost {error.max_cost:g} is reached: {spent}"
        report.exit_code, report.over_budget = PAUSED, True
    except CostUnknown as error:
        report.error = f"--max-cost needs the cost of each chunk: {_cost_unknown_text(error)}"
        report.exit_code, report.cost_unknown = PAUSED, True
    report.seconds = round(time.monotonic() - started, 3)


def _mark_failed(job: Job, message: str) -> None:
    """Record why this run ended, unless other runners are at work on the job or have completed it."""
    if job.status in (JobStatus.PAUSED, JobStatus.FAILED):
        job.fail(message)


def _cost_unknown_text(error: CostUnknown) -> str:
    wrong = f"has no {error.field!r}" if error.value is None else f"has {error.value} as {error.field!r}"
    has = f" (it has {', '.join(error.fields)})" if error.fields else ""
    return f"the result of chunk {error.chunk_index}, which is kept, {wrong}{has}"


def _failure_text(error: CommandFailedError | InvalidResultError) -> str:
    return f"{error.path} {error.reason}" if isinstance(error, InvalidResultError) else str(error)


def _work_function(clean: Clean, screen: Screen) -> Callable[[TranscriptChunk], dict[str, Any]]:
    """Return the function for ``Job.map``; several threads may call it."""

    def work(chunk: TranscriptChunk) -> dict[str, Any]:
        index, started = current_attempt().chunk_index, time.monotonic()
        try:
            fields, stderr = clean(chunk.text)
        except CommandFailedError as error:
            error.chunk_index = index
            raise
        if stderr:
            screen.note(stderr, style="dim")
        return _result(index, chunk, fields, time.monotonic() - started)

    return work


def _result(index: int, chunk: TranscriptChunk, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    measured = {
        "cleaned_text": "",
        "seconds": round(seconds, 3),
        "characters_in": len(chunk.text),
        "characters_out": len(fields["cleaned_text"]),
    }
    # The program cannot change the index, by which results are paired with chunks.
    return {"chunk_index": index} | measured | fields | {"chunk_index": index}


def _fill_in(job: Job, report: Report, snapshot: JobSnapshot, interrupts: Interrupts) -> None:
    progress = job.progress()
    report.status, report.completed_chunks = job.status, progress.completed_chunks
    snapshot.refresh(force=True)
    report.failed_chunks, report.in_doubt_chunks = snapshot.failed_chunks, snapshot.in_doubt_chunks
    report.cost, report.cost_now = snapshot.cost, snapshot.cost_now
    if report.exit_code == PAUSED:
        return
    if report.error is None and progress.remaining_chunks and progress.remaining_chunks == snapshot.failed_chunks:
        first = job.failed_chunks()[0]
        report.failed_chunk = first.chunk_index
        reason = plain_error(first.error) or "its process ended before it gave a result"
        report.error = f"chunk {first.chunk_index}, after {attempt_count(first.attempt)}: {reason}"
    if report.error is not None:
        report.exit_code = FAILED
    elif progress.remaining_chunks:
        report.exit_code = INTERRUPTED if interrupts.stops_now else PAUSED


def elsewhere_text(plan: RunPlan) -> str:
    """Return what is in the store for chunks that a new job is to do."""
    return (
        f"the store has results for {plan.kept_elsewhere:,} of its chunks under another name or setting; "
        "--on-change reuse takes those that were made with the same settings"
    )


def _refuse_to_replace(store: CheckpointStore, task: Task, plan: RunPlan) -> None:
    """Raise :class:`UnusableOutputError` if the run would have to replace a file that is not its own."""
    if task.output.may_be_written():
        return
    if plan.action == "refuse":
        return  # open_job raises the reason
    is_done = plan.action == "complete" and plan.job_id is not None
    task.output.refuse_unless_result(_text(store.job(str(plan.job_id)), task) if is_done else None)


def _text(job: Job, task: Task) -> str:
    line_end = " " if task.joins_lines else "\n"
    return "".join([*join(task.chunks, cleaned_texts(job), line_end=line_end), "\n"])


def _write(job: Job, report: Report, task: Task) -> None:
    report.output = str(task.output.path)
    outcome = task.output.write(_text(job, task), has_new_results=report.done_now > 0)
    report.output_written, report.output_edited = outcome == "written", outcome == "edited"
