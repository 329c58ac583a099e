"""The live view of a run: one line that starts at what is already done."""

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

    from checkpoint_store import Job
    from checkpoint_store.cli.screen import Screen

_REFRESH_PER_SECOND: Final = 8
_BAR: Final = 24
_LEAST_BAR: Final = 6
_LEAST_NAME: Final = 10
_NAME: Final = 28
# The terminal itself writes ^C after the line; if that wrapped, the line could not be taken back.
_MARGIN: Final = 3
_STOPPING: Final = "finishing what is in hand; Ctrl-C again stops at once"
_LOOK_SECONDS: Final = 0.5


class Standing:
    """Where a job stands, what other runs do to it included; looked at twice a second at most."""

    def __init__(self, job: Job, cost: str) -> None:
        self._job = job
        self._costs_after = job._execution.costs_after  # noqa: SLF001 - what came since the last look, and no more
        self._field = cost
        self._last_result = 0
        self._priced = 0
        self._spent = 0.0
        self._looked_at = 0.0
        self.completed = self.failed = self.in_doubt = 0
        self.look(at_once=True)
        self._spent_before = self._spent

    def look(self, *, at_once: bool = False) -> None:
        """Take in what has changed."""
        moment = time.monotonic()
        if not at_once and moment - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = moment
        found = self._costs_after(self._last_result, self._field)
        self._last_result = found.last_result
        self._priced += found.priced
        self._spent += found.total
        self.completed = self._job.progress().completed_chunks
        self.failed, self.in_doubt = self._job.trouble()

    @property
    def cost(self) -> float | None:
        """What the results so far have cost; None where none of them says."""
        return self._spent if self._priced else None

    @property
    def cost_now(self) -> float | None:
        """What of it came since this was made."""
        return self._spent - self._spent_before if self._priced else None

    @property
    def trouble(self) -> str:
        """Failed chunks and those in doubt, where there are any."""
        counts = (("failed", self.failed), ("in doubt", self.in_doubt))
        return ", ".join(f"{count:,} {name}" for name, count in counts if count)


class LiveView:
    """Shows one job's progress on a terminal; on anything else only that it begins.

    Args:
        where: the screen.
        name: the input's name.
        before: how many chunks were completed before this run.
        total: how many chunks there are.
        stopping: whether the run has been asked to stop.
        standing: knows what other runs do, the cost, and what is in trouble.
    """

    def __init__(
        self,
        where: Screen,
        name: str,
        *,
        before: int,
        total: int,
        stopping: Callable[[], bool],
        standing: Standing | None = None,
    ) -> None:
        self._screen = where
        self._name, self._before, self._total = name, before, total
        self._stopping = stopping
        self._standing = standing
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
            left = self._total - self._before
            done = f", {self._before:,} done before, {left:,} left" if self._before else ""
            trouble = self._standing.trouble if self._standing is not None else ""
            self._screen.note(f"{self._name}: {screen.chunks(self._total)}{done}{', ' if trouble else ''}{trouble}")
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
        done = self._done()
        name = self._name.rsplit("/", 1)[-1]
        counts = f" {done:,}/{self._total:,} {screen.percent(done, self._total)}"
        spare = room - 2 - len(counts)
        told: list[tuple[str, str]] = []
        for words, style in self._told(done):
            if words and spare - _LEAST_NAME - _LEAST_BAR > len(words) + 2:
                told.append((f"  {words}", style))
                spare -= len(words) + 2
        name = _shortened(name, max(min(_LEAST_NAME, spare - 1), min(_NAME, spare - _BAR - 1)))
        bar = min(_BAR, spare - len(name) - 1)
        filled = bar * done // self._total
        return Text.assemble(
            (f"{spin} ", "cyan"),
            f"{name} ",
            (mark.bar * filled, "green"),
            (mark.bar_left * max(0, bar - filled), "bright_black"),
            counts,
            *told,
            no_wrap=True,
        )

    def _done(self) -> int:
        """How many chunks are done, by whichever run; never fewer than were seen here."""
        done = self._before + self._done_now
        if self._standing is None:
            return done
        with suppress(CheckpointStoreError):  # a busy store is looked at again, and this is another thread's line
            self._standing.look()
        return max(done, self._standing.completed)

    def _told(self, done: int) -> list[tuple[str, str]]:
        """Return what to say beside the bar, what matters most first."""
        split = ""
        if self._before:
            split = f"{self._before:,} before, {done - self._before:,} now, {self._total - done:,} left"
        if self._standing is None:
            return [(self._pace(done), "cyan"), (split, "bright_black")]
        cost = "" if self._standing.cost is None else f"cost {self._standing.cost:.4g}"
        return [(self._pace(done), "cyan"), (self._standing.trouble, "red"), (cost, ""), (split, "bright_black")]

    def _pace(self, done: int) -> str:
        """Rate and time left, from what was done since this run began: what was done before took no time of it."""
        since = done - self._before
        if not since:
            return ""
        seconds = max(time.monotonic() - self._started, 1e-6)
        left = (self._total - done) * seconds / since
        return f"{screen.rate(60 * since / seconds)}, {screen.duration(left)} left"


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 2]}.."[: max(0, width)]
