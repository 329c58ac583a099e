"""A report that is written again as its jobs go on."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import InvalidArgumentError, JobStatus, StoreBusy
from checkpoint_store.report.collect import jobs_of
from checkpoint_store.report.destination import ROWS_MAX, TEXT_BYTES_MAX, Options, refuse_to_replace, report_path
from checkpoint_store.report.write import require_extra, write_page

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job, JobSummary

_UNCHANGED_SECONDS_MAX: Final = 30.0
"""Write an unchanged page again after this time: its reader sees that it is kept up to date."""
_IDLE_SECONDS: Final = 10.0
"""The work counts as ended after this time without a runner. A run has no runner for a moment between two files."""
_SECONDS_MAX: Final = 10**9
"""The longest time in seconds, some thirty years; the clock of the system overflows with far longer times."""
_REST_FACTOR: Final = 4
"""After the page was written, wait this many times as long as the writing took."""


def follow(
    store: CheckpointStore,
    path: str | os.PathLike[str],
    jobs: Iterable[Job | str] | None = None,
    *,
    every_seconds: float = 5.0,
    idle_seconds: float = _IDLE_SECONDS,
    replace: bool = False,
    on_written: Callable[[Path], None] | None = None,
    inputs: Mapping[str, Iterable[Any]] | None = None,
    cost: str = "cost",
    text_bytes_max: int = TEXT_BYTES_MAX,
    rows_max: int = ROWS_MAX,
) -> Path:
    """Write the page of :func:`checkpoint_store.report.write` again and again, and return where it is.

    A browser that shows the page loads the page again by itself; no server is needed. The writing ends when all jobs
    are complete, or when no runner has been at work for ``idle_seconds``. The last page is not loaded again. While the
    store is busy, the page stays as it is. Ctrl-C writes the last page, too, and then raises KeyboardInterrupt.

    With None for ``jobs``, those that begin meanwhile are on the page, too. ``every_seconds`` is the time between two
    looks at the jobs, after which the page also loads itself again. ``on_written`` is called with the path each time.
    All other arguments, and the errors, are those of :func:`write`.
    """
    require_extra()
    _check_seconds("every_seconds", every_seconds)
    _check_seconds("idle_seconds", idle_seconds, may_be_zero=True)
    target = report_path(path)
    options = Options(inputs=inputs, cost=cost, text_bytes_max=text_bytes_max, rows_max=rows_max)
    wanted = None if jobs is None else jobs_of(store, jobs)
    refuse_to_replace(store, target, replace=replace)
    watch = _Watch(store, wanted, idle_seconds)
    call_on_written = on_written or (lambda _: None)
    written = partial(write_page, store, target, wanted, options, replace=replace)

    def write_again() -> None:
        written(refresh_seconds=every_seconds)
        call_on_written(target)

    try:
        _until_the_end(watch, write_again, every_seconds)
    except KeyboardInterrupt:
        written()
        raise
    written()
    call_on_written(target)
    return target


def _check_seconds(name: str, seconds: object, *, may_be_zero: bool = False) -> None:
    if (
        not isinstance(seconds, int | float)
        or isinstance(seconds, bool)
        or not 0 <= seconds <= _SECONDS_MAX
        or (seconds == 0 and not may_be_zero)
    ):
        limits = f"{'from' if may_be_zero else 'above'} 0 and at most {_SECONDS_MAX:,}"
        raise InvalidArgumentError(name, seconds, f"is no number of seconds {limits}")


def _until_the_end(watch: _Watch, write_again: Callable[[], None], every_seconds: float) -> None:
    while True:
        began_seconds = time.monotonic()
        with suppress(StoreBusy):  # the page stays as it is until the next look
            if watch.has_ended():
                return
            if watch.is_worth_writing():
                write_again()
                watch.note_written()
        time.sleep(max(every_seconds, _REST_FACTOR * (time.monotonic() - began_seconds)))


class _Watch:
    """Watches the jobs of a page: have they changed since it was written, and has their work ended?"""

    def __init__(self, store: CheckpointStore, jobs: list[Job] | None, idle_seconds: float) -> None:
        self._store, self._idle_seconds = store, idle_seconds
        self._job_ids = None if jobs is None else {job.job_id for job in jobs}
        self._seen: list[JobSummary] = []
        self._written: list[JobSummary] | None = None
        self._written_seconds = 0.0
        self._active_seconds = time.monotonic()
        """When a runner was last at work, or at the beginning may have been."""
        self._was_active = False

    def has_ended(self) -> bool:
        """Look at the jobs, and return whether their work has ended."""
        summaries, job_ids = self._store.summaries(), self._job_ids
        self._seen = [summary for summary in summaries if job_ids is None or summary.job_id in job_ids]
        if any(summary.is_active for summary in self._seen):
            self._active_seconds, self._was_active = time.monotonic(), True
            return False
        is_complete = self._seen and all(summary.status is JobStatus.COMPLETED for summary in self._seen)
        if is_complete and not self._was_active:
            return True
        return time.monotonic() - self._active_seconds >= self._idle_seconds

    def is_worth_writing(self) -> bool:
        """Return whether to write the page: a job has changed, or the page is old."""
        return self._seen != self._written or time.monotonic() - self._written_seconds >= _UNCHANGED_SECONDS_MAX

    def note_written(self) -> None:
        """Note that the page is written, as the jobs were seen last."""
        self._written, self._written_seconds = self._seen, time.monotonic()
