"""What a person reads at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from checkpoint_store.cli.screen import chunks, duration, marks
from checkpoint_store.cli.work import DONE, FAILED, UNUSABLE, Report

if TYPE_CHECKING:
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.errors import PlanChanged


def show(screen: Screen, report: Report, store: str) -> None:
    """Print what came of one input."""
    if report.exit_code == DONE:
        _show_done(screen, report, store)
    elif report.exit_code == FAILED:
        _show_failed(screen, report)
    elif report.exit_code == UNUSABLE:
        screen.error(f"{report.file_name}: {report.error}")
    else:
        _show_paused(screen, report)


def show_again(screen: Screen, reports: list[Report], again: str) -> None:
    """Print the one line that goes on, if anything is left that it would do."""
    if any(report.exit_code not in (DONE, UNUSABLE) for report in reports):
        screen.note(Text.assemble(("  go on with:  ", "dim"), (again, "bold")))


def _show_done(screen: Screen, report: Report, store: str) -> None:
    mark = marks(screen.err)
    if report.done_now:
        how = f"{chunks(report.total_chunks)} done{_split(report)} in {duration(report.seconds)}"
    else:
        how = f"nothing left to do, {report.total_chunks:,} of {chunks(report.total_chunks)} done before"
    screen.note(Text.assemble((f"{mark.done} ", "bold green"), (report.file_name, "bold"), f"  {how}"))
    kept = "" if report.output_written else "  (left as it was)"
    screen.note(Text.assemble(("  text   ", "dim"), str(report.output), (kept, "dim")))
    screen.note(Text.assemble(("  store  ", "dim"), f"{store}", (f"  job {str(report.job_id)[:8]}", "dim")))


def _show_failed(screen: Screen, report: Report) -> None:
    reason, _, details = str(report.error).partition("\n")
    mark = marks(screen.err).failed
    screen.note(Text.assemble((f"{mark} ", "bold red"), (report.file_name, "bold"), f"  {reason}"))
    for line in details.splitlines():
        screen.note(Text.assemble(("  | ", "red"), line))
    _show_safe(screen, report)


def _show_paused(screen: Screen, report: Report) -> None:
    name = Text.assemble((f"{marks(screen.err).paused} ", "bold yellow"), (report.file_name, "bold"))
    if report.job_id is None:
        screen.note(name.append("  not begun"))
        return
    screen.note(name.append(f"  paused after {duration(report.seconds)}"))
    _show_safe(screen, report)


def _show_safe(screen: Screen, report: Report) -> None:
    safe = "done and safe" if report.completed_chunks else "done"
    screen.note(f"  {report.completed_chunks:,} of {chunks(report.total_chunks)} {safe}{_split(report)}")


def _split(report: Report) -> str:
    if not report.done_before:
        return ""
    return f" ({report.done_now:,} now, {report.done_before:,} before)"


def plan_changed(error: PlanChanged) -> str:
    """Return what changed and what the choices are, in the command's own words."""
    fields = {difference.field: f"\n  {difference}" for difference in error.differences}
    if "chunks" in fields:  # a digest tells a person nothing
        fields["chunks"] = "\n  the text, or where it is cut"
    changes = "".join(fields.values())
    return (
        f"the job {error.job_id[:8]} was made for something else:{changes}\n"
        f"  --on-change reuse    keeps the {chunks(error.reusable_results)} that are as they were\n"
        "  --on-change restart  does all of them\n"
        "Both begin a new job; the earlier one stays. Nothing was done."
    )
