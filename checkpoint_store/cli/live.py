"""The live view of a run: one line that starts at what is already done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.live import Live
from rich.text import Text

from checkpoint_store.cli import screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.screen import Screen

_REFRESH_PER_SECOND: Final = 8
_BAR: Final = 24
_LEAST_BAR: Final = 6
_LEAST_NAME: Final = 10
_NAME: Final = 28
# The terminal itself writes ^C after the line; if that wrapped, the line could not be taken back.
_MARGIN: Final = 3
_STOPPING: Final = "finishing this chunk, then pausing; Ctrl-C again stops at once"


class LiveView:
    """Shows one job's progress on a terminal; on anything else only that it begins.

    Args:
        where: the screen.
        name: the input's name.
        before: how many chunks were completed before this run.
        total: how many chunks there are.
        stopping: whether the run has been asked to stop.
    """

    def __init__(self, where: Screen, name: str, *, before: int, total: int, stopping: Callable[[], bool]) -> None:
        self._screen = where
        self._name, self._before, self._total = name, before, total
        self._stopping = stopping
        self._done_now = 0
        self._started = time.monotonic()
        self._live: Live | None = None
        if where.err.is_interactive:
            self._live = Live(
                console=where.err,
                get_renderable=self.line,
                refresh_per_second=_REFRESH_PER_SECOND,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
        else:
            done = f", {self._before:,} done before" if self._before else ""
            self._screen.note(f"{self._name}: {screen.chunks(self._total)}{done}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def advance(self) -> None:
        """Count one chunk more as done."""
        self._done_now += 1

    def line(self) -> Text:
        """Return what to show now: it never needs more than one line of the screen."""
        room = self._screen.err.width - _MARGIN
        mark = screen.marks(self._screen.err)
        spin = mark.spinner[int(time.monotonic() * _REFRESH_PER_SECOND) % len(mark.spinner)]
        if self._stopping():
            return Text.assemble((f"{spin} ", "yellow"), (_STOPPING[: room - 2], "yellow"))
        done = self._before + self._done_now
        name = self._name.rsplit("/", 1)[-1]
        counts = f" {done:,}/{self._total:,} {screen.percent(done, self._total)}"
        spare = room - 2 - len(counts)
        pace = self._pace() if spare - _LEAST_NAME - _LEAST_BAR > len(self._pace()) else ""
        spare -= len(pace)
        name = _shortened(name, max(min(_LEAST_NAME, spare - 1), min(_NAME, spare - _BAR - 1)))
        bar = min(_BAR, spare - len(name) - 1)
        filled = bar * done // self._total
        return Text.assemble(
            (f"{spin} ", "cyan"),
            f"{name} ",
            (mark.bar * filled, "green"),
            (mark.bar_left * max(0, bar - filled), "bright_black"),
            counts,
            (pace, "cyan"),
            no_wrap=True,
        )

    def _pace(self) -> str:
        """Rate and time left, from what this run has done: what was done before took no time of it."""
        if not self._done_now:
            return ""
        seconds = max(time.monotonic() - self._started, 1e-6)
        left = (self._total - self._before - self._done_now) * seconds / self._done_now
        return f"  {screen.rate(60 * self._done_now / seconds)}, {screen.duration(left)} left"


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 2]}.."[: max(0, width)]
