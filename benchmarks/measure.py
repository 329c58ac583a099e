"""Interleaved timing: short blocks of each contender in turn, in random order, and the tables of the results."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Runner = Callable[[], list[float]]
"""Runs one block and returns the seconds that each of its items took."""

MICROSECONDS: Final = 1e6


@dataclass(slots=True)
class Series:
    """What was measured of one contender."""

    seconds: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    """The median of each block."""
    cpu_seconds: float = 0.0


def interleave(
    runners: Mapping[str, Runner],
    rounds: int,
    *,
    warm_up: bool = True,
    seed: int = 1,
) -> dict[str, Series]:
    """Run one block of every runner in each round, in random order; the first round only warms up."""
    shuffled = random.Random(seed)
    found = {name: Series() for name in runners}
    order = list(runners)
    for number in range(-1 if warm_up else 0, rounds):
        shuffled.shuffle(order)
        for name in order:
            cpu = time.process_time()
            block = runners[name]()
            if number >= 0:
                found[name].cpu_seconds += time.process_time() - cpu
                found[name].seconds += block
                found[name].rounds.append(statistics.median(block))
        gc.collect()
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. Times are in the table's unit; ratios are to its reference, one for each round."""

    label: str
    p50: float
    p95: float
    p99: float
    cpu: float | None
    ratio: float
    ratio_q1: float
    ratio_q3: float
    samples: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that were measured together."""

    title: str
    unit: str
    reference: str
    rows: list[Row]
    missing: dict[str, str] = field(default_factory=dict)
    """Contenders that could not run, and why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure, and its target where it has one."""

    what: str
    value: float | None
    """None where it could not be measured; ``note`` says why."""
    limit: float | None
    """The target; None for a figure that only shows how exact the others are."""
    better: Literal["<=", ">="] = "<="
    unit: str = "×"
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the figure is on the right side of its limit; None where the figure or the limit is missing."""
        if self.value is None or self.limit is None:
            return None
        return self.value <= self.limit if self.better == "<=" else self.value >= self.limit


@dataclass(slots=True)
class Report:
    """What one target's benchmark found."""

    target: str
    title: str
    tables: list[Table] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """For the plot: (chunks already done, µs per checkpoint) of each contender."""
    seconds: float = 0.0


def ratios(series: Series, reference: Series) -> list[float]:
    """Return series ÷ reference, one for each round."""
    return [mine / theirs for mine, theirs in zip(series.rounds, reference.rounds, strict=True)]


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def percentile(values: list[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def row(label: str, series: Series, reference: Series, *, scale: float = MICROSECONDS, note: str = "") -> Row:
    """Return the line of a table for one contender; ``scale`` turns seconds into the table's unit."""
    low, middle, high = quartiles(ratios(series, reference))
    return Row(
        label=label,
        p50=statistics.median(series.seconds) * scale,
        p95=percentile(series.seconds, 0.95) * scale,
        p99=percentile(series.seconds, 0.99) * scale,
        cpu=series.cpu_seconds / len(series.seconds) * scale if series.cpu_seconds else None,
        ratio=middle,
        ratio_q1=low,
        ratio_q3=high,
        samples=len(series.seconds),
        note=note,
    )


def table(
    title: str,
    found: Mapping[str, Series],
    reference: str,
    *,
    unit: str = "µs",
    scale: float = MICROSECONDS,
    notes: Mapping[str, str] | None = None,
    missing: dict[str, str] | None = None,
) -> Table:
    """Return one table, fastest first."""
    notes = notes or {}
    rows = [
        row(name, series, found[reference], scale=scale, note=notes.get(name, "")) for name, series in found.items()
    ]
    return Table(title, unit, reference, sorted(rows, key=lambda one: one.ratio), missing or {})


def middle_ratio(found: Mapping[str, Series], name: str, reference: str) -> float:
    """Return the median over the rounds of one contender ÷ another."""
    return quartiles(ratios(found[name], found[reference]))[1]


def timed(work: Callable[[], Any]) -> Runner:
    """Return a runner whose block is one call of ``work``."""

    def run() -> list[float]:
        started = time.perf_counter()
        work()
        return [time.perf_counter() - started]

    return run
