"""One input, one job: open it, do what is left, end it, write the joined text."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.command import CommandFailedError, CommandKilledError
from checkpoint_store.cli.joining import join
from checkpoint_store.cli.live import LiveView
from checkpoint_store.cli.output import cleaned_texts, is_current, write_output
from checkpoint_store.cli.transcript import split
from checkpoint_store.errors import ChunkAlreadyCompleted, InvalidResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job, JobStatus, PendingChunk
    from checkpoint_store.cli.interrupts import Interrupts
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcript import Piece

    # Cleans a text: the fields of its result (``cleaned_text`` at least), and what to tell who watches.
    Clean = Callable[[str], tuple[dict[str, Any], str]]

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
PAUSED: Final = 75
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Task:
    """One input, and how it is to be done."""

    path: Path
    text: str
    output: Path
    file_name: str
    """What the job is called: the path as seen from the store's folder."""
    chunk_size: int
    overlap: int
    settings: Mapping[str, Any]
    """What ``open_job`` is given besides the file and its chunks."""
    joins_lines: bool
    """Whether the cleaner makes one line of each paragraph."""


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
    failed_chunk: int | None = None
    error: str | None = None
    output: str | None = None
    output_written: bool = False


class _ChunkFailedError(Exception):
    """Ends a job as failed; the message goes into it."""


def do_task(store: CheckpointStore, task: Task, clean: Clean, stop: Interrupts, where: Screen) -> Report:
    """Do what is left of one input, and return what came of it.

    Raises:
        PlanChanged: the input or the settings are not those of its newest job.
        CheckpointStoreError: the store cannot go on; what it recorded is safe.
        UnusableOutputError: the text cannot be written; every result is safe.
    """
    pieces = split(task.text, chunk_size=task.chunk_size, overlap=task.overlap)
    job = store.open_job(task.file_name, chunks=pieces, **task.settings)
    progress = job.progress()
    report = Report(str(task.path), job_id=job.job_id, total_chunks=progress.total_chunks)
    report.done_before = progress.completed_chunks
    if progress.remaining_chunks:
        _work_off(job, report, clean, stop, where)
    _conclude(job, report, stop)
    if report.exit_code == DONE:
        _write(job, report, task, pieces)
    return report


def _work_off(job: Job, report: Report, clean: Clean, stop: Interrupts, where: Screen) -> None:
    started = time.monotonic()
    before, total = report.done_before, report.total_chunks
    view = LiveView(where, report.file_name, before=before, total=total, stopping=lambda: stop.requested)
    with view, ExitStack() as ending:
        ending.push(job)  # ends it paused, completed or failed, as it comes
        try:
            for chunk in job.pending():
                if stop.requested:
                    break
                _do_chunk(chunk, report, clean, where)
                view.advance()
        except CommandKilledError:
            pass  # stopped at once
        except _ChunkFailedError as error:
            ending.pop_all()
            report.error = str(error)
            job.fail(report.error)
    report.seconds = round(time.monotonic() - started, 3)


def _do_chunk(chunk: PendingChunk, report: Report, clean: Clean, where: Screen) -> None:
    piece: Piece = chunk.data
    started = time.monotonic()
    try:
        fields, said = clean(piece.text)
        if said:
            where.note(said, style="dim")
        chunk.complete(_result(chunk.index, piece, fields, time.monotonic() - started))
    except (CommandFailedError, InvalidResultError) as error:
        report.failed_chunk = chunk.index
        reason = f"{error.path} {error.reason}" if isinstance(error, InvalidResultError) else str(error)
        raise _ChunkFailedError(f"chunk {chunk.index}: {reason}") from error
    except ChunkAlreadyCompleted:
        return  # another process was faster; its result stands
    report.done_now += 1


def _result(index: int, piece: Piece, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    measured = {
        "cleaned_text": "",
        "seconds": round(seconds, 3),
        "characters_in": len(piece.text),
        "characters_out": len(fields["cleaned_text"]),
    }
    # The index comes from here whatever the program says: results are paired with chunks by it.
    return {"chunk_index": index} | measured | fields | {"chunk_index": index}


def _conclude(job: Job, report: Report, stop: Interrupts) -> None:
    progress = job.progress()
    report.status, report.completed_chunks = job.status, progress.completed_chunks
    if report.error is not None:
        report.exit_code = FAILED
    elif progress.remaining_chunks:
        report.exit_code = INTERRUPTED if stop.at_once else PAUSED


def _write(job: Job, report: Report, task: Task, pieces: list[Piece]) -> None:
    report.output = str(task.output)
    if not report.done_now and is_current(task.output, job.progress().updated_at):
        return  # nothing is new, and what is there may have been edited since
    line_end = " " if task.joins_lines else "\n"
    write_output(task.output, join(pieces, cleaned_texts(job), line_end=line_end))
    report.output_written = True
