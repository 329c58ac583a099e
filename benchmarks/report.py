"""Tables for people, and one JSON document with everything in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.measure import Report, Table, Verdict


def console() -> Console:
    """Return a console for tables, wide enough for them even in a pipe."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=170)


def print_facts(to: Console, title: str, facts: dict[str, str]) -> None:
    """Print names and values."""
    made = RichTable(title=title, title_justify="left", show_header=False)
    made.add_column(style="bold")
    made.add_column()
    for name, value in facts.items():
        made.add_row(name, value)
    to.print(made)


def print_report(to: Console, report: Report) -> None:
    """Print what one target's benchmark found."""
    to.rule(f"[bold]{report.target}  {report.title}[/]  ({report.seconds:.0f} s)", align="left")
    for one in report.tables:
        to.print(_table(one))
    for note in report.notes:
        to.print(f"[dim]{note}[/]")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _table(one: Table) -> RichTable:
    made = RichTable(
        title=one.title, title_justify="left", caption=f"× is against: {one.reference}", caption_justify="left"
    )
    made.add_column("", min_width=30)
    for name in (f"p50 {one.unit}", "p95", "p99", "CPU", "×", "quartiles", "n"):
        made.add_column(name, justify="right")
    made.add_column("")
    for row in one.rows:
        made.add_row(
            row.label,
            _number(row.p50),
            _number(row.p95),
            _number(row.p99),
            _number(row.cpu),
            f"{row.ratio:,.2f}",
            f"{row.ratio_q1:,.2f}–{row.ratio_q3:,.2f}",
            f"{row.samples:,}",
            row.note,
            style="bold" if row.label.startswith("checkpoint_store") else None,
        )
    for label, reason in one.missing.items():
        made.add_row(label, *[""] * 7, reason, style="dim")
    return made


def print_verdicts(to: Console, reports: Sequence[Report]) -> None:
    """Print every figure, and whether it reached its target where it has one."""
    made = RichTable(title="Targets", title_justify="left")
    for name in ("", "what", "measured", "target", "reached", ""):
        made.add_column(name, justify="right" if name in ("measured", "target") else "left")
    for report in reports:
        for verdict in report.verdicts:
            made.add_row(report.target, verdict.what, *_cells(verdict), verdict.note)
    to.print(made)


def _cells(verdict: Verdict) -> tuple[str, str, str]:
    sign = "≤" if verdict.better == "<=" else "≥"
    value = "not measured" if verdict.value is None else f"{verdict.value:,.2f} {verdict.unit}".strip()
    reached = {True: "[green]yes[/]", False: "[red]no[/]", None: "–"}[verdict.reached]
    target = "no target" if verdict.limit is None else f"{sign} {verdict.limit:g} {verdict.unit}".strip()
    return value, target, reached


def document(
    facts: dict[str, str], versions: dict[str, str], options: dict[str, Any], reports: Sequence[Report]
) -> dict[str, Any]:
    """Return all of it as JSON data."""
    found = []
    for report in reports:
        one = asdict(report)
        for verdict, plain in zip(report.verdicts, one["verdicts"], strict=True):
            plain["reached"] = verdict.reached
        found.append(one)
    return {"machine": facts, "versions": versions, "options": options, "reports": found}


def write_json(path: Path, made: dict[str, Any]) -> None:
    """Write the document."""
    path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", "utf-8")
