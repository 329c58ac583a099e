"""The picture: time per checkpoint against chunks already done, on log axes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import JSON, OURS_ALONE, RAW

if TYPE_CHECKING:
    from pathlib import Path

# name -> (what the picture calls it, colour, line, width); colours that people with any colour vision tell apart
_STYLES: Final = {
    JSON: ("JSON state file, rewritten (first plan)", "#a0410d", "-", 2.2),
    "langgraph put, state holds all results": ("LangGraph put, whole state", "#d98c00", "-", 1.6),
    "DBOS step": ("DBOS step", "#7b3fa0", "-", 1.6),
    "SQLAlchemy ORM, Session per chunk": ("SQLAlchemy ORM", "#8a8a8a", "-", 1.6),
    "SQLAlchemy Core, engine.begin()": ("SQLAlchemy Core", "#8a8a8a", "--", 1.6),
    "diskcache, synchronous=FULL": ("diskcache, FULL", "#3b8a3f", "-", 1.6),
    "langgraph SqliteSaver.put_writes": ("LangGraph put_writes", "#d98c00", "--", 1.6),
    OURS_ALONE: ("checkpoint_store", "#0b57c2", "-", 3.2),
    RAW: ("raw sqlite3, the limit", "#000000", ":", 1.8),
}
_GAP: Final = 0.062
"""The least distance between two labels, as a share of the axis."""


def curves_of(document: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Return the curves in a JSON document of these benchmarks."""
    for report in document["reports"]:
        if report["curves"]:
            found: dict[str, list[list[float]]] = report["curves"]
            return found
    return {}


def draw(document: dict[str, Any], path: Path) -> None:
    """Draw the curves of a JSON document to ``path`` (its suffix says how: .svg, .png).

    Raises:
        ValueError: the document has no curves: T2 was not run.
    """
    curves = {name: points for name, points in curves_of(document).items() if name in _STYLES}
    if not curves:
        raise ValueError("there is nothing to draw: run T2 too")
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "checkpoint_store", "font.size": 11})
    plt: Any = import_module("matplotlib.pyplot")
    figure, axes = plt.subplots(figsize=(9.6, 5.6), layout="constrained")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name, points in curves.items():
        _, colour, line, width = _STYLES[name]
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, color=colour, linestyle=line, linewidth=width, marker="o", markersize=width + 1.6)
    _decorate(axes, document, curves)
    _label(axes, curves)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=130)
    plt.close(figure)


def _decorate(axes: Any, document: dict[str, Any], curves: dict[str, list[list[float]]]) -> None:
    ticker: Any = import_module("matplotlib.ticker")
    left = min(points[0][0] for points in curves.values())
    right = max(points[-1][0] for points in curves.values())
    low = min(value for points in curves.values() for _, value in points)
    high = max(value for points in curves.values() for _, value in points)
    axes.set_xlim(left * 0.8, right * (right / left) ** 0.62)  # room for the labels at the right
    axes.set_ylim(low * 0.6, high * 1.8)
    axes.set_xticks([10**power for power in range(8) if left * 0.8 <= 10**power <= right * 1.2])
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(_duration))
    axes.set_xlabel("chunks already done", loc="left")
    axes.set_title("Time for one checkpoint (median)", loc="left", fontsize=12, fontweight="bold")
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    facts = document["machine"]
    axes.text(
        1.0,
        1.015,
        f"{facts['cores']} cores, {facts['file system'].split()[0]}, SQLite {facts['SQLite']}, "
        f"Python {facts['Python']}; 2.3 KB of JSON each",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=8.5,
        color="#555555",
    )


def _duration(microseconds: float, _: int) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds:g} µs"


def _label(axes: Any, curves: dict[str, list[list[float]]]) -> None:
    """Write each curve's name at the right, moved apart where they would overlap, and lead to it from its end."""
    ends = {name: points[-1] for name, points in curves.items()}
    to_axes = axes.transLimits.transform
    transform = axes.transScale.transform
    heights = {name: float(to_axes(transform(point))[1]) for name, point in ends.items()}
    placed = _spread(sorted(heights.items(), key=lambda pair: pair[1]))
    left = 0.66
    for name, height in placed.items():
        label, colour, *_ = _STYLES[name]
        axes.annotate(
            label,
            xy=ends[name],
            xycoords="data",
            xytext=(left, height),
            textcoords="axes fraction",
            color=colour,
            va="center",
            fontsize=10,
            fontweight="bold" if name == OURS_ALONE else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.7,
                "alpha": 0.5,
                "shrinkB": 4,
                "relpos": (0.0, 0.5),
            },
        )


def _spread(heights: list[tuple[str, float]]) -> dict[str, float]:
    """Return heights that are at least a label apart, each as near to its own as that allows."""
    found = [height for _, height in heights]
    for _ in range(200):
        for at in range(1, len(found)):
            overlap = _GAP - (found[at] - found[at - 1])
            if overlap > 0:
                found[at - 1] -= overlap / 2
                found[at] += overlap / 2
        found[0] = max(found[0], 0.02)
    return {name: height for (name, _), height in zip(heights, found, strict=True)}
