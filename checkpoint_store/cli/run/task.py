"""One input, one job: open it, do what is left, end it, write the joined text."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import JobStatus, current_attempt
from checkpoint_store.cli.run.progress import LiveView, Standing
from checkpoint_store.cli.run.subprocess_worker import CommandFailedError, CommandKilledError, CommandMissingError
from checkpoint_store.cli.screen import plain_error, tries
from checkpoint_store.cli.transcripts.join import join
from checkpoint_store.cli.transcripts.write import cleaned_texts
from checkpoint_store.errors import BudgetReached, ChunkFailed, CostUnknown, InvalidResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.interrupts import Interrupts
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.read import Piece
    from checkpoint_store.cli.transcripts.write import Output

    # Cleans a text: the fields of its result (``cleaned_text`` at least), and what to tell who watches.
    Clean = Callable[[str], tuple[dict[str, Any], str]]

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
PAUSED: Final = 75
INTERRUPTED: Final = 130

_FAILURES: Final = (CommandFailedError, InvalidResultError)


@dataclass(frozen=True, slots=True)
class Task:
    """One input, and how it is to be done."""

    path: Path
    pieces: list[Piece]
    output: Output
    file_name: str
    """What the job is called: the path as seen from the store's folder."""
    settings: Mapping[str, Any]
    """What ``open_job`` is given besides the file and its chunks."""
    joins_lines: bool
    """Whether the cleaner makes one line of each paragraph."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the work on a job goes on; no part of its plan."""

    workers: int = 1
    retries: int = 0
    """Tries after a chunk's first one."""
    timeout_seconds: float | None = None
    max_cost: float | None = None
    cost: str = "cost"
    """Where the cost stands in a result."""

    @property
    def options(self) -> dict[str, Any]:
        """What ``Job.map`` is given."""
        common = {"workers": self.workers, "max_cost": self.max_cost, "cost": self.cost}
        if not self.retries:
            # A failure ends the run and is held against no chunk: whoever calls again has seen to its cause.
            return common | {"stop_on": _FAILURES, "max_attempts": sys.maxsize}
        tries = {"retry_on": _FAILURES, "stop_on": CommandMissingError, "max_attempts": self.retries + 1}
        return common | tries | {"on_error": "record"}


@dataclass(frozen=True, slots=True)
class Means:
    """What works on the inputs of one call of the command, one input after the other."""

    clean: Clean
    pace: Pace
    stop: Interrupts
    screen: Screen


@dataclass(slots=True)
class Report:
    """What came of one input."""

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
    """Whether the output is not what the results give: it was edited since, and left as it was."""
    over_budget: bool = False
    """Whether it was paused by ``--max-cost``."""
    cost_unknown: bool = False
    """Whether it was paused because ``--max-cost`` was given and the cost of a result cannot be read."""

    @property
    def only_failed(self) -> bool:
        """Whether nothing is left but chunks that are passed over until they are freed."""
        return 0 < self.failed_chunks == self.total_chunks - self.completed_chunks


def do_task(store: CheckpointStore, task: Task, means: Means) -> Report:
    """Do what is left of one input, and return what came of it.

    Raises:
        PlanChanged: the input or the settings are those of no job of the file, and there are results to protect.
        CheckpointStoreError: the store cannot go on; what it recorded is safe.
        UnusableOutputError: the text cannot be written; every result is safe.
    """
    _refuse_to_replace(store, task)
    job = store.open_job(task.file_name, chunks=task.pieces, **task.settings)
    progress = job.progress()
    report = Report(str(task.path), job_id=job.job_id, total_chunks=progress.total_chunks)
    report.done_before = progress.completed_chunks
    standing = Standing(job, means.pace.cost)
    if progress.remaining_chunks:
        _work_off(job, report, standing, means)
    _conclude(job, report, standing, means.stop)
    if report.exit_code == DONE:
        _write(job, report, task)
    return report


def _work_off(job: Job, report: Report, standing: Standing, means: Means) -> None:
    started, stop = time.monotonic(), means.stop
    work = _worker(means.clean, means.screen)
    view = LiveView(
        means.screen,
        report.file_name,
        before=report.done_before,
        total=report.total_chunks,
        stopping=lambda: stop.requested,
        standing=standing,
    )
    try:
        with view:
            for _ in job.map(work, stop_when=lambda: stop.requested, on_pause="return", **means.pace.options):
                report.done_now += 1
                view.advance()
    except CommandKilledError:
        pass  # stopped at once
    except _FAILURES as error:
        report.failed_chunk, report.error = error.chunk_index, f"chunk {error.chunk_index}: {_reason(error)}"
        if job.status in (JobStatus.PAUSED, JobStatus.FAILED):  # unless another runner goes on with it
            job.fail(report.error)
    except ChunkFailed:
        pass  # _conclude says which
    except BudgetReached as error:
        spent = f"{error.spent:.4g} spent, and a chunk costs {error.mean_cost:.4g} on average"
        report.error = f"--max-cost {error.max_cost:g} is reached: {spent}"
        report.exit_code, report.over_budget = PAUSED, True
    except CostUnknown as error:
        report.error = f"--max-cost needs the cost of each chunk: {_unread(error)}"
        report.exit_code, report.cost_unknown = PAUSED, True
    report.seconds = round(time.monotonic() - started, 3)


def _unread(error: CostUnknown) -> str:
    wrong = f"has no {error.field!r}" if error.value is None else f"has {error.value} as {error.field!r}"
    has = f" (it has {', '.join(error.fields)})" if error.fields else ""
    return f"the result of chunk {error.chunk_index}, which is kept, {wrong}{has}"


def _reason(error: CommandFailedError | InvalidResultError) -> str:
    return f"{error.path} {error.reason}" if isinstance(error, InvalidResultError) else str(error)


def _worker(clean: Clean, where: Screen) -> Callable[[Piece], dict[str, Any]]:
    """Return what is done to each chunk, in whichever thread."""

    def work(piece: Piece) -> dict[str, Any]:
        index, started = current_attempt().chunk_index, time.monotonic()
        try:
            fields, said = clean(piece.text)
        except CommandFailedError as error:
            error.chunk_index = index
            raise
        if said:
            where.note(said, style="dim")
        return _result(index, piece, fields, time.monotonic() - started)

    return work


def _result(index: int, piece: Piece, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    measured = {
        "cleaned_text": "",
        "seconds": round(seconds, 3),
        "characters_in": len(piece.text),
        "characters_out": len(fields["cleaned_text"]),
    }
    # The index comes from here whatever the program says: results are paired with chunks by it.
    return {"chunk_index": index} | measured | fields | {"chunk_index": index}


def _conclude(job: Job, report: Report, standing: Standing, stop: Interrupts) -> None:
    progress = job.progress()
    report.status, report.completed_chunks = job.status, progress.completed_chunks
    standing.look(at_once=True)
    report.failed_chunks, report.in_doubt_chunks = standing.failed, standing.in_doubt
    report.cost, report.cost_now = standing.cost, standing.cost_now
    if report.exit_code == PAUSED:
        return
    if report.error is None and progress.remaining_chunks and progress.remaining_chunks == standing.failed:
        first = job.failed_chunks()[0]
        report.failed_chunk = first.chunk_index
        reason = plain_error(first.error) or "its process ended before it gave a result"
        report.error = f"chunk {first.chunk_index}, after {tries(first.attempt)}: {reason}"
    if report.error is not None:
        report.exit_code = FAILED
    elif progress.remaining_chunks:
        report.exit_code = INTERRUPTED if stop.at_once else PAUSED


def _refuse_to_replace(store: CheckpointStore, task: Task) -> None:
    """Raise :class:`UnusableOutputError` where the work would end in a file that may not be replaced."""
    if task.output.may_be_written():
        return
    found = store.plan(task.file_name, chunks=task.pieces, **task.settings)
    if found.action == "refuse":
        return  # and open_job says why
    is_done = found.action == "complete" and found.job_id is not None
    task.output.refuse_unless_result(_text(store.job(str(found.job_id)), task) if is_done else None)


def _text(job: Job, task: Task) -> str:
    line_end = " " if task.joins_lines else "\n"
    return "".join([*join(task.pieces, cleaned_texts(job), line_end=line_end), "\n"])


def _write(job: Job, report: Report, task: Task) -> None:
    report.output = str(task.output.path)
    came = task.output.write(_text(job, task), is_news=report.done_now > 0)
    report.output_written, report.output_edited = came == "written", came == "edited"
