"""The live line of a run; its bar starts at the chunks that are already done."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from rich.live import Live
from rich.text import Text

from checkpoint_store.cli import screen
from checkpoint_store.errors import CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.job_snapshot import JobSnapshot
    from checkpoint_store.cli.screen import Screen

_REFRESH_PER_SECOND: Final = 8
_BAR_WIDTH: Final = 24
_BAR_WIDTH_MIN: Final = 6
_NAME_WIDTH_MIN: Final = 10
_NAME_WIDTH: Final = 28
# The terminal itself writes ^C after the line; if that wrapped, the line could not be erased.
_MARGIN: Final = 3
_STOPPING: Final = "finishing what is in hand; Ctrl-C again stops at once"


class LiveView:
    """Show one job's progress on a terminal; on anything else print one line at the beginning.

    Args:
        terminal: the screen.
        name: the input's name.
        before: the number of chunks that were completed before this run.
        total: the number of chunks.
        stopping: returns whether the run was asked to stop.
        snapshot: the counts and the cost of the job, the work of other runs included.
    """

    def __init__(
        self,
        terminal: Screen,
        name: str,
        *,
        before: int,
        total: int,
        stopping: Callable[[], bool],
        snapshot: JobSnapshot | None = None,
    ) -> None:
        self._screen = terminal
        self._name, self._before, self._total = name, before, total
        self._stopping = stopping
        self._snapshot = snapshot
        self._done_now = 0
        self._started = time.monotonic()
        self._live: Live | None = None
        if terminal.err.is_interactive:
            self._live = Live(
                console=terminal.err,
                get_renderable=self.line,
                refresh_per_second=_REFRESH_PER_SECOND,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
        else:
            left = self._total - self._before
            done = f", {self._before:,} done before, {left:,} left" if self._before else ""
            failures = self._snapshot.failure_text if self._snapshot is not None else ""
            self._screen.note(
                f"{self._name}: {screen.chunk_count(self._total)}{done}{', ' if failures else ''}{failures}"
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def advance(self) -> None:
        """Count one more chunk as done."""
        self._done_now += 1

    def line(self) -> Text:
        """Return the line to show now; it fits into one line of the screen."""
        width = self._screen.err.width - _MARGIN
        mark = screen.marks(self._screen.err)
        spin = mark.spinner[int(time.monotonic() * _REFRESH_PER_SECOND) % len(mark.spinner)]
        if self._stopping():
            return Text.assemble((f"{spin} ", "yellow"), (_STOPPING[: width - 2], "yellow"))
        done = self._done()
        name = self._name.rsplit("/", 1)[-1]
        counts = f" {done:,}/{self._total:,} {screen.percent(done, self._total)}"
        spare_width = width - 2 - len(counts)
        details: list[tuple[str, str]] = []
        for words, style in self._details(done):
            if words and spare_width - _NAME_WIDTH_MIN - _BAR_WIDTH_MIN > len(words) + 2:
                details.append((f"  {words}", style))
                spare_width -= len(words) + 2
        name = _shortened(
            name, max(min(_NAME_WIDTH_MIN, spare_width - 1), min(_NAME_WIDTH, spare_width - _BAR_WIDTH - 1))
        )
        bar = min(_BAR_WIDTH, spare_width - len(name) - 1)
        filled = bar * done // self._total
        return Text.assemble(
            (f"{spin} ", "cyan"),
            f"{name} ",
            (mark.bar * filled, "green"),
            (mark.bar_left * max(0, bar - filled), "bright_black"),
            counts,
            *details,
            no_wrap=True,
        )

    def _done(self) -> int:
        """Return the number of completed chunks, those of other runs included; at least those of this run."""
        done = self._before + self._done_now
        if self._snapshot is None:
            return done
        with suppress(CheckpointStoreError):  # the next refresh reads a busy store again; this thread only draws
            self._snapshot.refresh()
        return max(done, self._snapshot.completed_chunks)

    def _details(self, done: int) -> list[tuple[str, str]]:
        """Return the texts beside the bar with their styles, the most important first."""
        origin = ""
        if self._before:
            origin = f"{self._before:,} before, {done - self._before:,} now, {self._total - done:,} left"
        if self._snapshot is None:
            return [(self._rate_text(done), "cyan"), (origin, "bright_black")]
        cost = "" if self._snapshot.cost is None else f"cost {self._snapshot.cost:.4g}"
        return [
            (self._rate_text(done), "cyan"),
            (self._snapshot.failure_text, "red"),
            (cost, ""),
            (origin, "bright_black"),
        ]

    def _rate_text(self, done: int) -> str:
        """Return rate and time left, computed from the chunks done since this run began."""
        since = done - self._before
        if not since:
            return ""
        seconds = max(time.monotonic() - self._started, 1e-6)
        left = (self._total - done) * seconds / since
        return f"{screen.rate(60 * since / seconds)}, {screen.duration(left)} left"


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 2]}.."[: max(0, width)]
