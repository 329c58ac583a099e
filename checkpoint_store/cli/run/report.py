"""The summary that ``run`` prints at its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from rich.text import Text

from checkpoint_store.cli.paths import STANDARD, on_one_line, typed_line
from checkpoint_store.cli.run.plan_options import FIELD_OF_TEXT, HIGHER_AMOUNT
from checkpoint_store.cli.run.task_records import DONE, FAILED, INTERRUPTED, UNUSABLE, Report
from checkpoint_store.cli.screen import chunk_count, duration, marks, to_redo_text
from checkpoint_store.cli.screen import cost as amount

if TYPE_CHECKING:
    from checkpoint_store.cli.screen import Screen

_FEW_FAILED: Final = 2
"""If more chunks failed than this and than were done, their service was perhaps away."""


def show(screen: Screen, report: Report, store_path: str) -> None:
    """Print the summary of one input."""
    if report.exit_code == DONE:
        _show_done(screen, report, store_path)
    elif report.exit_code == FAILED:
        _show_failed(screen, report, store_path)
    elif report.exit_code == UNUSABLE:
        screen.error(f"{report.name}: {report.error}")
        is_broken_off = report.broken_off_by is not None and report.job_id is not None
        if is_broken_off or report.completed_chunks:
            _show_counts(screen, report, store_path)
        if report.completed_chunks and not is_broken_off:  # the text cannot be written, and its chunks are done
            screen.note("  the same command writes the text once it can be written; no chunk is done again")
    else:
        _show_paused(screen, report, store_path)


def show_resume_command(screen: Screen, reports: list[Report], resume_command: str, store_path: str) -> str | None:
    """Print the command that goes on, if chunks are left, and return it."""
    unfinished = [report for report in reports if report.broken_off_by or report.exit_code not in (DONE, UNUSABLE)]
    if not unfinished:
        return None
    summary = "run again with" if _is_removed(store_path) else "go on with"
    if any(report.over_budget for report in unfinished):
        summary += f" {HIGHER_AMOUNT}"
    elif any(report.cost_unknown for report in unfinished):
        summary += " the FIELD that holds the cost, or without --max-cost"
    elif any(report.is_misread for report in unfinished):
        summary += f" {FIELD_OF_TEXT}"
    if all(report.only_failed or report.halted for report in unfinished if report.job_id is not None):
        # Without retry, the same command would skip the failed chunks, for which the run ended.
        failed = [report for report in unfinished if report.failed_chunks]
        summary = "try again with" if failed else summary
        retries = (typed_line(["retry", str(report.job_id)[:8]], store_path) for report in failed)
        resume_command = " && ".join([*retries, resume_command])
    screen.note(Text.assemble((f"  {summary}:  ", "dim"), (resume_command, "bold")))
    return resume_command


def show_output_options(screen: Screen, reports: list[Report], run_line: str | None) -> None:
    """Print the ``run`` line that has these options, where the command in use has none and a text is not written."""
    unusable = (report for report in reports if report.exit_code == UNUSABLE)
    # A job that is not begun was refused for its output, or for its plan: that report has the id of the earlier job.
    if run_line and any(
        report.job_id is None or 0 < report.completed_chunks == report.total_chunks for report in unusable
    ):
        screen.note(f"  --output and --force are options of run:  {run_line}")


def _head(screen: Screen, report: Report, summary: str) -> Text:
    """Return the line that names an input and says what came of it."""
    mark = marks(screen.err)
    sign, style = mark.paused, "bold yellow"
    if report.exit_code in (DONE, FAILED):
        sign, style = (mark.done, "bold green") if report.exit_code == DONE else (mark.failed, "bold red")
    return Text.assemble((f"{sign} ", style), (report.position, "dim"), (report.name, "bold"), f"  {summary}")


def _show_done(screen: Screen, report: Report, store_path: str) -> None:
    if report.left_to_others:
        part_done = "the chunks of --only are done; the text is written once the others are, too"
        screen.note(_head(screen, report, part_done))
        _show_counts(screen, report, store_path)
        _show_store(screen, report, store_path)
        return
    if report.file_count > 1 and not report.done_now:
        _show_done_before(screen, report)
        return
    if report.done_now:
        summary = f"{chunk_count(report.total_chunks)} done{_origin_text(report)} in {duration(report.seconds)}"
    else:
        summary = f"nothing left to do, {report.total_chunks:,} of {chunk_count(report.total_chunks)} done before"
    head = _head(screen, report, summary)
    screen.note(head if report.file_count == 1 else head.append(_job_text(report), style="dim"))
    edited = "  (edited since it was written, and left as it was; --force writes it anew)"
    remark = "" if report.output_written else edited if report.output_edited else "  (left as it was)"
    screen.fact("text", _output_text(report), remark)
    _show_cost(screen, report)
    _show_store(screen, report, store_path)


def _show_done_before(screen: Screen, report: Report) -> None:
    """Print the line of a file that was complete before, in a run of more than one file."""
    words = [f"complete before, {chunk_count(report.total_chunks)}"]
    if report.cost is not None:
        words.append(f"cost {amount(report.cost)}")
    if report.output_written:
        words.append(f"written to {_output_text(report)}")
    if report.output_edited:
        words.append(f"{_output_text(report)} was edited, and is left as it was")
    screen.note(_head(screen, report, ", ".join(words)))


def _show_store(screen: Screen, report: Report, store_path: str) -> None:
    if report.file_count == 1:  # the summary of several files names the store once
        screen.fact("store", store_path, _job_text(report))


def _job_text(report: Report) -> str:
    return f"  job {str(report.job_id)[:8]}"


def _output_text(report: Report) -> str:
    return "standard output" if report.output == str(STANDARD) else on_one_line(str(report.output))


def _show_failed(screen: Screen, report: Report, store_path: str) -> None:
    reason, _, details = str(report.error).partition("\n")
    screen.note(_head(screen, report, reason))
    for line in details.splitlines():
        screen.note(Text.assemble(("  | ", "red"), line))
    _show_counts(screen, report, store_path)
    if report.run_summary is not None and report.failed_chunks > max(report.done_now, _FEW_FAILED):
        screen.note("  if its service was away: COMMAND can end with exit code 75, and the run waits")


def _show_paused(screen: Screen, report: Report, store_path: str) -> None:
    if report.job_id is None:
        if report.file_count == 1:  # the summary of more than one file names each file that is not begun
            screen.note(_head(screen, report, "not begun"))
        return
    summary = "stopped at once" if report.exit_code == INTERRUPTED else "paused"
    asked = ", as somebody asked" if report.pause_asked else ""
    screen.note(_head(screen, report, f"{summary} after {duration(report.seconds)}{asked}"))
    if report.error is not None:
        screen.note(f"  {report.error}")
    _show_counts(screen, report, store_path)


def _show_counts(screen: Screen, report: Report, store_path: str) -> None:
    is_removed = _is_removed(store_path)
    done = "done and safe" if report.completed_chunks and not is_removed else "done"
    left = report.total_chunks - report.completed_chunks
    counts = f"{report.completed_chunks:,} of {chunk_count(report.total_chunks)} {done}{_origin_text(report)}"
    screen.note(f"  {counts}, {left:,} left")
    if is_removed and report.completed_chunks:
        screen.note(f"  they are recorded in a store that is not at its place any more: {on_one_line(store_path)}")
    if report.redo_chunks:
        screen.note(f"  {to_redo_text(report.redo_chunks)}")
    _show_cost(screen, report)
    name = str(report.job_id)[:8]
    if report.failed_chunks:
        retry = "" if report.only_failed or report.halted else f", free with {typed_line(['retry', name], store_path)}"
        errors = typed_line(["errors", name], store_path)
        screen.note(f"  {report.failed_chunks:,} failed and passed over: see {errors}{retry}")
    elif report.answer_kept:
        screen.note(f"  what COMMAND printed is kept: see {typed_line(['errors', name], store_path)}")
    if report.in_doubt_chunks:
        meaning = "begun and never ended, possibly billed; the next run does them again"
        if report.broken_off_by is not None:  # some of their results may be kept in a file
            kept = "the next run takes in those that are kept, and does the others again"
            meaning = f"begun, and no result is recorded; {kept}"
        if is_removed:
            meaning = "begun, and no result is recorded"
        screen.note(f"  {report.in_doubt_chunks:,} in doubt: {meaning}")


def _is_removed(store_path: str) -> bool:
    """Whether the store file is not at its place: what it has recorded may be lost with it."""
    return not os.path.lexists(store_path)


def _show_cost(screen: Screen, report: Report) -> None:
    if report.run_summary is not None:
        screen.fact("run", report.run_summary)
    if report.cost is not None:
        now = f" ({amount(report.cost_now)} now)" if report.cost_now and report.done_before else ""
        screen.fact("cost", f"{amount(report.cost)}{now}")


def _origin_text(report: Report) -> str:
    elsewhere = report.completed_chunks - report.done_before - report.done_now
    if elsewhere > 0 and report.broken_off_by is not None:
        return ""  # a result of this run may be recorded although the error came before this run counted it
    counts = ((report.done_now, "now"), (report.done_before, "before"), (elsewhere, "by another run"))
    if not report.done_before and elsewhere <= 0:
        return ""
    return f" ({', '.join(f'{count:,} {when}' for count, when in counts if count > 0 or when == 'now')})"
