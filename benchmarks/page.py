"""Write the figures of one run into the page of figures; no person writes a figure there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.machine import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: `python -m benchmarks --page FIGURES.json` writes all from here -->\n"
END: Final = "<!-- to here -->\n"
_REACHED: Final = {True: "reached", False: "missed", None: ""}
_SHOWN_WHOLE: Final = ("T1", "T14B")
"""The targets whose tables are in the page, too."""


def write(made: dict[str, Any], targets: Collection[str], path: Path = PAGE) -> None:
    """Write the figures of a run between the two markers of the page.

    Args:
        made: what ``python -m benchmarks --json`` wrote.
        targets: the names of all targets, each of which the run has to have measured.
        path: the page.

    Raises:
        ValueError: the run left out targets or was smaller, or the page has no markers. The page is as it was.
    """
    options = made["options"]
    left_out = set(targets) - {one["target"] for one in made["reports"]}
    if options["quick"] or options["scale"] != 1.0 or left_out:
        why = f"without {', '.join(sorted(left_out))}" if left_out else "--quick, or with a --scale"
        raise ValueError(f"this run was {why}: the page takes a whole one, `python -m benchmarks --json FILE`")
    text = path.read_text("utf-8")
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"{path} lacks a marker: {(END if begins else BEGIN).strip()}")
    path.write_text(before + BEGIN + "\n" + "\n".join(_lines(made)) + "\n\n" + END + after, "utf-8")


def _lines(made: dict[str, Any]) -> Iterator[str]:
    reports = made["reports"]
    minutes = sum(one["seconds"] for one in reports) / 60
    yield f"One run of {minutes:.0f} minutes. {_noise(reports)}"
    yield ""
    yield from _markdown(("machine", ""), [*made["machine"].items(), *made["versions"].items()])
    yield ""
    yield from _markdown(("", "what", "measured", "aim", ""), [row for one in reports for row in _verdicts(one)])
    for report in reports:
        if report["target"] in _SHOWN_WHOLE:
            for table in report["tables"]:
                yield from _table(table)


def _noise(reports: list[dict[str, Any]]) -> str:
    """Say how far the second copy of each reference was from the first copy."""
    rows = (row for report in reports for table in report["tables"] for row in table["rows"])
    found = [row["ratio"] for row in rows if "(noise)" in row["label"]]
    if not found:
        return ""
    return f"The second copy of the reference (noise) was at {min(found):.2f} to {max(found):.2f} of it."


def _verdicts(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in report["verdicts"]:
        value = "not measured" if one["value"] is None else f"{one['value']:,.2f} {one['unit']}".strip()
        sign = "≤" if one["better"] == "<=" else "≥"
        aim = "no aim" if one["limit"] is None else f"{sign} {one['limit']:g} {one['unit']}".strip()
        ending = ": ".join(filter(None, (_REACHED[one["reached"]], one["note"])))
        yield report["target"], one["what"], value, aim, ending


def _table(table: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"{table['title']}. × is against: {table['reference']}.", "")
    rows = [
        (
            row["label"],
            f"{row['p50']:,.0f}",
            f"{row['p99']:,.0f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_q1']:.2f} to {row['ratio_q3']:.2f}",
            row["note"],
        )
        for row in table["rows"]
    ]
    missing = [(label, "", "", "", "", reason) for label, reason in table["missing"].items()]
    yield from _markdown(("", f"p50, {table['unit']}", "p99", "×", "quartiles", ""), [*rows, *missing])


def _markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
