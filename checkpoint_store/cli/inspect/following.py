"""``show --follow``: show a job as it goes on, until it ends or the reader presses Ctrl-C."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live

from checkpoint_store import StoreBusy
from checkpoint_store.cli import screen
from checkpoint_store.cli.inspect import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.cli.screen import Screen

_LOOK_INTERVAL_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 10.0
"""A job without a runner has ended after this long; before that, a runner may be about to go on with it."""
_ENDED: Final = frozenset({"completed", "failed", "paused", "superseded"})
_COUNTS: Final = {"redo_chunks": "to redo", "failed_chunks": "failed", "in_doubt_chunks": "in doubt"}
_WATCHED_FIELDS: Final = ("status", "is_active", "completed_chunks", "total_chunks", *_COUNTS)
"""The fields of a job whose change prints a line."""


def follow(terminal: Screen | None, read: Callable[[], dict[str, Any]]) -> None:
    """Show a job until it ends with nobody at work, or until Ctrl-C; without a screen only wait until then.

    A terminal shows the job in place, any other output gets a line for each change. ``read`` returns the data of
    ``show``.
    """
    with suppress(KeyboardInterrupt):  # the usual way to end it: the job goes on
        if terminal is None:
            for _ in _looks(read):
                pass
        elif terminal.out.is_interactive:
            with Live(console=terminal.out, auto_refresh=False) as live:
                for data in _looks(read):
                    live.update(tables.job_page(terminal, data), refresh=True)
        else:
            _print_changes(terminal, read)


def _looks(read: Callable[[], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the data again and again, until the job has ended."""
    active_seconds = time.monotonic()
    while True:
        with suppress(StoreBusy):  # it is looked at again
            data = read()
            yield data
            if data["is_active"]:
                active_seconds = time.monotonic()
            elif data["shown_status"] in _ENDED or time.monotonic() - active_seconds >= _IDLE_SECONDS:
                return
        time.sleep(_LOOK_INTERVAL_SECONDS)


def _print_changes(terminal: Screen, read: Callable[[], dict[str, Any]]) -> None:
    before = None
    for data in _looks(read):
        now = [data[name] for name in _WATCHED_FIELDS]
        if now != before:
            terminal.out.print(_line(data), soft_wrap=True)
            terminal.out.file.flush()
        before = now


def _line(data: dict[str, Any]) -> str:
    completed, total = data["completed_chunks"], data["total_chunks"]
    words = [data["shown_status"], f"{completed:,} of {screen.chunk_count(total)}", screen.percent(completed, total)]
    words += [f"{data[name]:,} {meaning}" for name, meaning in _COUNTS.items() if data[name]]
    if data["is_active"] and data["chunks_per_minute"]:
        words.append(screen.rate(data["chunks_per_minute"]))
    if data["is_active"] and data["seconds_left"]:
        words.append(f"{screen.duration(data['seconds_left'])} left")
    return f"{screen.clock_time()}  {', '.join(words)}"
