"""The progress of a run: the live line of a terminal, or a line every ten seconds for logs and CI."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from rich.cells import cell_len
from rich.live import Live
from rich.text import Text

from checkpoint_store.cli import screen
from checkpoint_store.cli.notices import NOTICES
from checkpoint_store.cli.table import without_beginning
from checkpoint_store.errors import CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.job_snapshot import JobSnapshot
    from checkpoint_store.cli.run.run_context import Files
    from checkpoint_store.cli.screen import Screen


LINE_INTERVAL_SECONDS: Final = 10.0


class PlainProgress:
    """Say every ten seconds where a run stands; after a run of more than ten seconds, say so once more at its end.

    ``wait`` waits for a number of seconds, and returns whether the run ended meanwhile; by default on the real clock.
    """

    def __init__(
        self, state: Callable[[], str], say: Callable[[str], None], wait: Callable[[float], bool] | None = None
    ) -> None:
        self._state, self._say = state, say
        self._ended = threading.Event()
        self._wait = self._ended.wait if wait is None else wait
        self._last_state: str | None = None
        self._thread = threading.Thread(target=self._say_regularly, name="checkpoint-store-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():  # not where the system started no thread
            self._thread.join()
        if self._last_state is not None and self._state() != self._last_state:
            self._say(self._state())

    def _say_regularly(self) -> None:
        while not self._wait(LINE_INTERVAL_SECONDS):
            self._last_state = self._state()
            self._say(self._last_state)


_REFRESH_PER_SECOND: Final = 8
_BAR_WIDTH: Final = 24
_BAR_WIDTH_MIN: Final = 6
_NAME_WIDTH_MIN: Final = 10
_NAME_WIDTH: Final = 28
# The terminal itself writes ^C after the line; if that wrapped, the line could not be erased.
_MARGIN: Final = 3
_STOPPING: Final = (
    "finishing what is in hand; Ctrl-C again stops at once",
    "finishing what is in hand; ^C stops",
    "finishing what is in hand",
)
"""The longest of these that fits is shown."""


class _Line(Live):
    """A live line that rests while nobody reads: pictures of moments that have passed would pile up."""

    def refresh(self) -> None:
        """Draw the line."""
        if not NOTICES.is_behind:
            super().refresh()


class LiveView:
    """Show one job's progress: a live line on a terminal, a line at the beginning and every ten seconds elsewhere.

    ``before`` chunks were completed before this run. ``waits_after`` returns the error after which the run waits for
    its next try; an empty text while it works.
    """

    def __init__(
        self,
        terminal: Screen,
        name: str,
        *,
        before: int,
        total: int,
        stopping: Callable[[], bool],
        snapshot: JobSnapshot,
        files: Files,
        waits_after: Callable[[], str] = str,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._screen = terminal
        self._name, self._before, self._total = name, before, total
        self._stopping, self._waits_after = stopping, waits_after
        self._snapshot, self._files = snapshot, files
        self._done_now = 0
        self._display: Live | PlainProgress
        if terminal.err.is_interactive:
            self._display = _Line(
                console=terminal.err,
                get_renderable=self.line,
                refresh_per_second=_REFRESH_PER_SECOND,
                transient=True,
            )
        else:
            self._display = PlainProgress(self.words, self._say, wait)

    def __enter__(self) -> Self:
        if isinstance(self._display, PlainProgress):
            self._screen.note(self._first_words())
        try:
            self._display.__enter__()
        except RuntimeError as error:  # the work needs no display
            self._screen.note(f"no progress is shown: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self._display.__exit__(None, None, None)

    def advance(self) -> None:
        """Count one more chunk as done."""
        self._done_now += 1

    # -- without a terminal

    def _say(self, words: str) -> None:
        self._screen.note(f"{screen.clock_time()}  {words}")

    @property
    def _place_and_name(self) -> str:
        return f"{self._files.position}  {self._name}".lstrip()

    def _first_words(self) -> str:
        words = [screen.chunk_count(self._total)]
        if self._before:
            words.append(f"{self._before:,} done before, {self._total - self._before:,} left")
        words += [self._snapshot.redo_text, self._snapshot.failure_text]
        so_far = f" ({self._files.so_far})" if self._files.so_far else ""
        return f"{self._place_and_name}: {', '.join(filter(None, words))}{so_far}"

    def words(self) -> str:
        """Return where the job stands now, as one line for a log."""
        done = self._done()
        words = [f"{done:,} of {screen.chunk_count(self._total)}", screen.percent(done, self._total)]
        words += [text for text, _ in self._details(done) if text]
        if self._stopping():
            words.append("finishing what is in hand")
        return f"{self._place_and_name}: {', '.join(words)}"

    # -- on a terminal

    def line(self) -> Text:
        """Return the line to show now; it fits into one line of the screen."""
        width = self._screen.err.width - _MARGIN
        mark = screen.marks(self._screen.err)
        spin = mark.spinner[int(time.monotonic() * _REFRESH_PER_SECOND) % len(mark.spinner)]
        if self._stopping():
            words = next((words for words in _STOPPING if len(words) <= width - 2), _STOPPING[-1][: width - 2])
            return Text(f"{spin} {words}", style="yellow")
        done = self._done()
        position = f"{self._files.position} " if self._files.position else ""
        counts = f" {done:,}/{self._total:,} {screen.percent(done, self._total)}"
        spare_width = width - 2 - len(counts) - len(position)
        details: list[tuple[str, str]] = []
        origin = f"{self._before:,} before, {done - self._before:,} now, {self._total - done:,} left"
        for words, style in [*self._details(done), (origin if self._before else "", "dim")]:
            if words and spare_width - _NAME_WIDTH_MIN - _BAR_WIDTH_MIN > len(words) + 2:
                details.append((f"  {words}", style))
                spare_width -= len(words) + 2
        name_width = max(min(_NAME_WIDTH_MIN, spare_width - 1), min(_NAME_WIDTH, spare_width - _BAR_WIDTH - 1))
        name = without_beginning(self._name.rsplit("/", 1)[-1], name_width)
        bar = max(0, min(_BAR_WIDTH, spare_width - cell_len(name) - 1))
        filled = bar * done // self._total
        return Text.assemble(
            (f"{spin} ", "cyan"),
            (position, "dim"),
            f"{name} ",
            (mark.bar * filled, "green"),
            (mark.bar_left * (bar - filled), "dim"),
            counts,
            *details,
            no_wrap=True,
        )

    # -- on both

    def _done(self) -> int:
        """Return the number of completed chunks, those of other runs included; at least those of this run."""
        done = self._before + self._done_now
        with suppress(CheckpointStoreError):  # the next refresh reads a busy store again; this thread only draws
            self._snapshot.refresh()
        return max(done, self._snapshot.completed_chunks)

    def _details(self, done: int) -> list[tuple[str, str]]:
        """Return the texts beside the counts with their styles, the most important first; some may be empty."""
        error = self._waits_after()
        return [
            ("waiting to try again", "yellow") if error else (self._snapshot.rate_text(done), "cyan"),
            (f"after: {error}" if error else "", "yellow"),
            (self._snapshot.redo_text, "blue"),
            (self._snapshot.failure_text, "red"),
            (self._cost_text(self._snapshot.cost), ""),
        ]

    def _cost_text(self, cost: float | None) -> str:
        before = self._files.cost
        if cost is None and before is None:
            return ""
        known = (cost or 0.0) + (before or 0.0)
        words = f"cost {screen.cost(cost or 0)}"
        return f"{words}, {screen.cost(known)} in all" if before else words
