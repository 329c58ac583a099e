"""What all inputs of one run share: its files and their outcome, its limits, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from rich.text import Text

from checkpoint_store.cli.ended import ENDING_SIGNALS, SAME_PRESS_SECONDS
from checkpoint_store.cli.notices import NOTICES, can_take
from checkpoint_store.cli.screen import chunk_count, duration, marks
from checkpoint_store.cli.screen import cost as amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from checkpoint_store.cli.run.limits import FailureWatch, RunLimits
    from checkpoint_store.cli.run.task_records import Clean, Report
    from checkpoint_store.cli.screen import Screen


_NAMED_MAX: Final = 10
"""Files of one outcome that the summary names; the line that goes on names all of them."""
_OUTCOMES: Final = ("complete", "part done", "failed", "unusable", "paused", "stopped", "not begun")
"""The outcomes of a file, in the order in which the summary counts them."""


@dataclass(slots=True)
class Files:
    """The files of one run, and the reports of those that are over."""

    count: int
    reports: list[Report] = field(default_factory=list)
    begun: Report | None = None
    """The report of the file in work, as far as it is known; None where its job is not opened yet."""
    began_seconds: float = field(default_factory=time.monotonic)
    """The moment of the monotonic clock at which the run began."""
    closing_failure: dict[str, Any] = field(default_factory=dict)
    """The error that came after the last file, when the store was closed, with the keys of ``failure``."""

    def add(self, report: Report) -> None:
        """Take in the report of the next file."""
        report.file_count, report.file_number = self.count, len(self.reports) + 1
        self.reports.append(report)
        self.begun = None

    @property
    def position(self) -> str:
        """Which file is in work: ``2 of 4``; empty in a run of one file."""
        return "" if self.count == 1 else f"{len(self.reports) + 1:,} of {self.count:,}"

    @property
    def is_paused(self) -> bool:
        """Whether somebody asked for a pause: the files that are left are not begun."""
        return any(report.pause_asked for report in self.reports)

    @property
    def cost(self) -> float | None:
        """The cost of the files that are over; None if no file has a cost."""
        return _sum(report.cost for report in self.reports)

    @property
    def so_far(self) -> str:
        """The finished files in words: their number, chunks and cost; empty before the first file is finished."""
        if not self.reports:
            return ""
        done = sum(report.completed_chunks for report in self.reports)
        cost = "" if self.cost is None else f", cost {amount(self.cost)}"
        return f"so far {_counted(self.reports)}, {chunk_count(done)}{cost}"

    @property
    def failure(self) -> dict[str, Any]:
        """The error that ended the run, in the JSON form that every command prints; empty without an error."""
        ended = (report for report in self.reports if report.broken_off_by is not None)
        return next(({"error": report.error, "type": report.broken_off_by} for report in ended), self.closing_failure)

    def as_json(self, go_on_with: str | None, later: Sequence[str] = ()) -> dict[str, Any]:
        """Return the outcome of all files. The chunks are those of the files that were begun.

        ``later`` are the files that the resumed run did not begin.
        """
        counts = Counter(report.outcome for report in self.reports)
        begun = [report for report in self.reports if report.job_id is not None]
        chunks = {
            name: sum(getattr(report, name) for report in begun)
            for name in ("total_chunks", "completed_chunks", "done_before", "done_now")
        }
        return {
            "files": self.count,
            **{name.replace(" ", "_"): counts[name] for name in _OUTCOMES},
            **chunks,
            "remaining_chunks": chunks["total_chunks"] - chunks["completed_chunks"],
            "cost": self.cost,
            "cost_now": _sum(report.cost_now for report in self.reports),
            "seconds": round(time.monotonic() - self.began_seconds, 3),
            "go_on_with": go_on_with,
            "files_not_begun": [report.file_name for report in self.reports if report.outcome == "not begun"]
            + list(later),
        }


def _sum(costs: Any) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 9) if known else None


def _counted(reports: Sequence[Report]) -> str:
    counts = Counter(report.outcome for report in reports)
    return ", ".join(f"{counts[name]:,} {name}" for name in _OUTCOMES if counts[name])


def show_summary(screen: Screen, files: Files, store_path: str) -> None:
    """Print the outcome of a run of more than one file, and name the files that are not complete."""
    if files.count == 1:
        return
    facts = files.as_json(None)
    mark = marks(screen.err).bar * 3
    head = f"{files.count:,} files  {_counted(files.reports)}, in {duration(facts['seconds'])}"
    if files.is_paused:
        head += "; paused, as somebody asked"
    screen.note(Text.assemble((f"{mark} ", "dim"), (head, "bold")))
    before = f" ({facts['done_now']:,} now, {facts['done_before']:,} before)" if facts["done_before"] else ""
    done = f"{facts['completed_chunks']:,} of {facts['total_chunks']:,} done{before}"
    screen.fact("chunks", f"{done}, {facts['remaining_chunks']:,} left")
    if facts["cost"] is not None:
        now = f" ({amount(facts['cost_now'])} now)" if facts["cost_now"] is not None and facts["done_before"] else ""
        screen.fact("cost", f"{amount(facts['cost'])}{now}")
    screen.fact("store", store_path)
    for outcome in _OUTCOMES[1:]:
        _name(screen, [report for report in files.reports if report.outcome == outcome], outcome)


def _name(screen: Screen, reports: Sequence[Report], outcome: str) -> None:
    mark, style = marks(screen.err).paused, "yellow"
    if outcome in ("failed", "unusable"):
        mark, style = marks(screen.err).failed, "red"
    for report in reports[:_NAMED_MAX]:
        screen.note(Text.assemble((f"  {mark} ", style), report.name, (f"  {outcome}", "dim")))
    if len(reports) > _NAMED_MAX:
        screen.note(Text(f"    and {len(reports) - _NAMED_MAX:,} more {outcome}", style="dim"))


_NOTICE: Final = b"\ncheckpoint-store: finishing what is in hand, then pausing; press Ctrl-C again to stop at once\n"


_SIGNALS: Final = (signal.SIGINT, *ENDING_SIGNALS)
_STDERR: Final = 2


class RunInterrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP set ``requested``; a second one sets ``stops_now`` and calls ``kill``.

    A signal that is ignored stays so: nohup ignores SIGHUP, and a script that starts a run with ``&`` ignores SIGINT. A
    signal handler calls ``kill``. ``quiet``: the live line says it, so that no notice is printed at the first signal.
    """

    def __init__(self, kill: Callable[[], None], *, quiet: bool) -> None:
        self.requested = False
        self.stops_now = False
        self._kill = kill
        self._quiet = quiet
        self._first_seconds = 0.0
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._first_seconds = True, time.monotonic()
            NOTICES.hurry()
            if not self._quiet and can_take(_STDERR):
                with suppress(OSError):  # the terminal may be gone
                    os.write(_STDERR, _NOTICE)  # print may be interrupted by this very handler, and then raises
        elif time.monotonic() - self._first_seconds >= SAME_PRESS_SECONDS:
            self.stops_now = True
            self._kill()


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all inputs of one ``run`` share: the cleaner, the limits, the signals, the screen, the failures."""

    clean: Clean
    limits: RunLimits
    interrupts: RunInterrupts
    screen: Screen
    failures: FailureWatch
    files: Files

    @property
    def map_options(self) -> dict[str, Any]:
        """The options of ``Job.map``."""
        ends = {"stop_when": lambda: self.interrupts.requested or self.failures.is_over, "on_pause": "return"}
        return self.limits.options | ends | {"on_event": self.failures.on_event}
