"""The page of figures: written from one whole run, by the command."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case
from rich.console import Console

from benchmarks import page
from benchmarks import report as paper
from benchmarks.measure import Report, Row, Table, Verdict

if TYPE_CHECKING:
    from pathlib import Path

AROUND = f"# How fast\n\nbefore\n\n{page.BEGIN}\n| old |\n{page.END}\nafter\n"


def run(**options: Any) -> dict[str, Any]:
    """What a run of one target writes."""
    rows = [
        Row("plain | sqlite3", 340.4, 500, 1038.2, None, 1.0, 1.0, 1.0, 40),
        Row("the same once more (noise)", 347, 600, 1105, None, 1.04, 0.97, 1.08, 40),
    ]
    table = Table("One checkpoint on disk", "µs", "plain | sqlite3", rows, {"a peer": "a-peer is not installed"})
    verdicts = [
        Verdict("complete ÷ plain", 1.294, 1.25),
        Verdict("noise", 1.24, None),
        Verdict("against a peer", None, 8, ">=", note="a-peer is not installed"),
    ]
    report = asdict(Report("T1", "A checkpoint", [table], verdicts, seconds=90.0))
    for plain, verdict in zip(report["verdicts"], verdicts, strict=True):
        plain["reached"] = verdict.reached
    asked = {"quick": False, "scale": 1.0, "only": ["T1"], **options}
    facts = {"date": "2026-11-27 16:00 UTC", "revision": "abc123", "cores": "2"}
    return {"machine": facts, "versions": {"sqlalchemy": "2.1"}, "options": asked, "reports": [report]}


def test_the_figures_of_one_run_stand_between_the_markers(tmp_path: Path) -> None:
    """The page has the figures, machine, versions and revision of a run in place of the earlier figures."""
    path = tmp_path / "performance.md"
    path.write_text(AROUND, "utf-8")
    page.write(run(), ["T1"], path)
    page.write(run(), ["T1"], path)
    text = path.read_text("utf-8")
    assert text.startswith("# How fast\n\nbefore\n\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "old" not in text
    lines = text.splitlines()
    for line in (
        "One run of 2 minutes. The second copy of the reference (noise) was at 1.04 to 1.04 of it.",
        "| revision | abc123 |",
        "| sqlalchemy | 2.1 |",
        "| T1 | complete ÷ plain | 1.29 × | ≤ 1.25 × | missed |",
        "| T1 | noise | 1.24 × | no aim |  |",
        "| T1 | against a peer | not measured | ≥ 8 × | a-peer is not installed |",
        r"| plain \| sqlite3 | 340 | 1,038 | 1.00 | 1.00 to 1.00 |  |",
    ):
        assert lines.count(line) == 1, line


@each_case(
    ("made", "around", "why"),
    [
        (run(quick=True), AROUND, "--quick"),
        (run(scale=0.1), AROUND, "--scale"),
        ({**run(), "reports": []}, AROUND, "without T1"),
        (run(), AROUND.replace(page.END, ""), "lacks a marker: <!-- to here -->"),
        (run(), AROUND.replace(page.BEGIN, ""), "lacks a marker: <!-- figures"),
    ],
)
def test_a_part_of_a_run_is_refused(tmp_path: Path, made: dict[str, Any], around: str, why: str) -> None:
    """Figures of different runs, or of a quick one, never get into the page."""
    path = tmp_path / "performance.md"
    path.write_text(around, "utf-8")
    with pytest.raises(ValueError, match=why):
        page.write(made, ["T1"], path)
    assert path.read_text("utf-8") == around


def test_the_command_refuses_a_part_of_a_run_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that writes the figures refuses a partial run in a line with the file and the missing scenarios."""
    from benchmarks.__main__ import main  # a quarter of a second, which each worker would spend

    (tmp_path / "figures.json").write_text(json.dumps(run()))
    assert main(["--page", str(tmp_path / "figures.json")]) == 2
    assert "figures.json: this run was without T10, T11, T11B" in capsys.readouterr().err


def test_a_figure_without_a_target_is_neither_reached_nor_missed() -> None:
    """The noise check shows how exact the other figures are, and nothing is aimed at."""
    to = Console(width=120, file=io.StringIO())
    paper.print_verdicts(to, [Report("T1", "A checkpoint", verdicts=[Verdict("noise", 1.24, None)])])
    assert isinstance(to.file, io.StringIO)
    line = next(line for line in to.file.getvalue().splitlines() if "noise" in line)
    assert "no target" in line
    assert "yes" not in line
    assert " no " not in line.replace("no target", "")


def test_the_page_has_its_markers() -> None:
    """The page of figures has its two markers, so that the command can write the figures between them."""
    text = page.PAGE.read_text("utf-8")
    assert (text.count(page.BEGIN), text.count(page.END)) == (1, 1)
    assert text.index(page.BEGIN) < text.index(page.END)
