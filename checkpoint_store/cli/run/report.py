"""What a person reads at the end of a run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from checkpoint_store.cli.options import DEFAULT_STORE
from checkpoint_store.cli.run.task import DONE, FAILED, INTERRUPTED, UNUSABLE, Report
from checkpoint_store.cli.screen import chunks, duration, marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.errors import Difference, PlanChanged


def show(screen: Screen, report: Report, store: str) -> None:
    """Print what came of one input."""
    if report.exit_code == DONE:
        _show_done(screen, report, store)
    elif report.exit_code == FAILED:
        _show_failed(screen, report, store)
    elif report.exit_code == UNUSABLE:
        screen.error(f"{report.file_name}: {report.error}")
    else:
        _show_paused(screen, report, store)


def show_again(screen: Screen, reports: list[Report], again: str, store: str) -> None:
    """Print the one line that goes on, if anything is left that it would do."""
    unfinished = [report for report in reports if report.exit_code not in (DONE, UNUSABLE)]
    if not unfinished:
        return
    how = "go on with"
    if any(report.over_budget for report in unfinished):
        how += " a higher --max-cost"
    elif any(report.cost_unknown for report in unfinished):
        how += " --cost FIELD, or without --max-cost"
    if all(report.only_failed for report in unfinished):
        # By itself, the same line would pass all of them over.
        how = "try again with"
        again = " && ".join([*(command("retry", str(report.job_id)[:8], store) for report in unfinished), again])
    screen.note(Text.assemble((f"  {how}:  ", "dim"), (again, "bold")))


def _show_done(screen: Screen, report: Report, store: str) -> None:
    mark = marks(screen.err)
    if report.done_now:
        how = f"{chunks(report.total_chunks)} done{_split(report)} in {duration(report.seconds)}"
    else:
        how = f"nothing left to do, {report.total_chunks:,} of {chunks(report.total_chunks)} done before"
    screen.note(Text.assemble((f"{mark.done} ", "bold green"), (report.file_name, "bold"), f"  {how}"))
    edited = "  (edited since it was written, and left as it was; --force writes it anew)"
    kept = "" if report.output_written else edited if report.output_edited else "  (left as it was)"
    screen.note(Text.assemble(("  text   ", "dim"), str(report.output), (kept, "dim")))
    _show_cost(screen, report)
    screen.note(Text.assemble(("  store  ", "dim"), f"{store}", (f"  job {str(report.job_id)[:8]}", "dim")))


def _show_failed(screen: Screen, report: Report, store: str) -> None:
    reason, _, details = str(report.error).partition("\n")
    mark = marks(screen.err).failed
    screen.note(Text.assemble((f"{mark} ", "bold red"), (report.file_name, "bold"), f"  {reason}"))
    for line in details.splitlines():
        screen.note(Text.assemble(("  | ", "red"), line))
    _show_safe(screen, report, store)


def _show_paused(screen: Screen, report: Report, store: str) -> None:
    name = Text.assemble((f"{marks(screen.err).paused} ", "bold yellow"), (report.file_name, "bold"))
    if report.job_id is None:
        screen.note(name.append("  not begun"))
        return
    how = "stopped at once" if report.exit_code == INTERRUPTED else "paused"
    screen.note(name.append(f"  {how} after {duration(report.seconds)}"))
    if report.error is not None:
        screen.note(f"  {report.error}")
    _show_safe(screen, report, store)


def _show_safe(screen: Screen, report: Report, store: str) -> None:
    safe = "done and safe" if report.completed_chunks else "done"
    left = report.total_chunks - report.completed_chunks
    screen.note(f"  {report.completed_chunks:,} of {chunks(report.total_chunks)} {safe}{_split(report)}, {left:,} left")
    _show_cost(screen, report)
    name = str(report.job_id)[:8]
    if report.failed_chunks:
        retry = "" if report.only_failed else f", free with {command('retry', name, store)}"
        errors = command("errors", name, store)
        screen.note(f"  {report.failed_chunks:,} failed and passed over: see {errors}{retry}")
    if report.in_doubt_chunks:
        meaning = "begun and never ended, possibly billed; the next run does them again"
        screen.note(f"  {report.in_doubt_chunks:,} in doubt: {meaning}")


def _show_cost(screen: Screen, report: Report) -> None:
    if report.cost is not None:
        now = f" ({report.cost_now:.4g} now)" if report.cost_now and report.done_before else ""
        screen.note(Text.assemble(("  cost   ", "dim"), f"{report.cost:.4g}{now}"))


def command(verb: str, job: str, store: str) -> str:
    """Return the line to type for a job of this store."""
    where = "" if store == DEFAULT_STORE else f" --store {shlex.quote(store)}"
    return f"checkpoint-store {verb} {job}{where}"


def _split(report: Report) -> str:
    elsewhere = report.completed_chunks - report.done_before - report.done_now
    counts = ((report.done_now, "now"), (report.done_before, "before"), (elsewhere, "by another run"))
    if not report.done_before and elsewhere <= 0:
        return ""
    return f" ({', '.join(f'{count:,} {when}' for count, when in counts if count > 0 or when == 'now')})"


def changes(differences: Iterable[Difference]) -> list[str]:
    """Return what differs between two plans, in words."""
    fields = {difference.field: str(difference) for difference in differences}
    if "chunks" in fields:  # a digest tells a person nothing
        fields["chunks"] = "the text, or where it is cut"
    return list(fields.values())


def plan_changed(error: PlanChanged) -> str:
    """Return what changed and what the choices are, in the command's own words."""
    changed = "".join(f"\n  {change}" for change in changes(error.differences))
    kept = error.reusable_results
    reuse = f"keeps the results of {chunks(kept)} whose text is as it was" if kept else "finds no result to keep"
    return (
        f"the job {error.job_id[:8]} was made for something else:{changed}\n"
        f"  --on-change reuse    {reuse}\n"
        "  --on-change restart  does all of them\n"
        "Both begin a new job; the earlier one stays. Nothing was done."
    )
